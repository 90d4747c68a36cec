#include "data/lra/image.h"

#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/system/file.h"
#include "core/system/hash.h"
#include "data/lra/sets.h"

namespace krait {
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kSide = 32;
constexpr std::size_t kPixels = 1024;
constexpr std::size_t kRecord = 1 + 3 * kPixels;  // label, then red, green and blue
constexpr std::uint64_t kTrain = 50000, kTest = 10000, kHeldOut = 5000;
constexpr std::uint64_t kReportImages = 1000;
constexpr std::array kClasses{"airplane", "automobile", "bird",  "cat",  "deer",
                              "dog",      "frog",       "horse", "ship", "truck"};
constexpr std::array kTrainFiles{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                 "data_batch_4.bin", "data_batch_5.bin"};
constexpr const char* kTestFile = "test_batch.bin";

/// What all images of a part together must be.
struct Statistics {
  std::uint64_t images = 0, sum = 0, squares = 0;
  std::array<std::uint64_t, 10> labels{};

  void add(std::int32_t label, std::span<const std::int32_t> grey) {
    ++images;
    ++labels.at(static_cast<std::size_t>(label));
    for (const std::int32_t level : grey) {
      sum += static_cast<std::uint64_t>(level);
      squares += static_cast<std::uint64_t>(level * level);
    }
  }
  void add_facts(std::string_view part, bool train, std::vector<LraFact>& facts) const {
    const double n = static_cast<double>(images) * kPixels;
    const double mean = n > 0 ? static_cast<double>(sum) / n : 0;
    const double variance = n > 0 ? static_cast<double>(squares) / n - mean * mean : 0;
    const std::uint64_t expected = train ? kTrain : kTest;
    facts.push_back({.name = str("images of ", part),
                     .expected = static_cast<double>(expected),
                     .got = static_cast<double>(images)});
    for (std::size_t i = 0; i < labels.size(); ++i) {
      facts.push_back({.name = str("images of ", part, " with label ", i),
                       .expected = static_cast<double>(expected) / 10,
                       .got = static_cast<double>(labels.at(i))});
    }
    facts.push_back({.name = str("sum of the grey levels of ", part),
                     .expected = train ? 6278124545. : 1263533155.,
                     .got = static_cast<double>(sum)});
    facts.push_back({.name = str("mean grey level of ", part),
                     .expected = train ? 122.6196 : 123.3919,
                     .got = mean,
                     .tolerance = 5e-5});  // the digits given
    facts.push_back({.name = str("deviation of the grey levels of ", part),
                     .expected = train ? 60.9936 : 60.8772,
                     .got = std::sqrt(variance),
                     .tolerance = 5e-5});
  }
};

class ImageSets {
 public:
  explicit ImageSets(const LraOptions& options)
      : options_(options),
        sets_(options, {.task = "image",
                        .kind = InputKind::Pixels,
                        .n_symbols = 256,
                        .classes = {kClasses.begin(), kClasses.end()},
                        .height = kSide,
                        .width = kSide}) {
    sets_.read_from = find_raw(options.raw, {".", "cifar-10-batches-bin"}, kTrainFiles[0]);
  }
  LraResult make();

 private:
  void read(const char* name, bool train, Statistics& statistics);

  const LraOptions& options_;
  LraSets sets_;
  std::uint64_t done_ = 0;
};

void ImageSets::read(const char* name, bool train, Statistics& statistics) {
  const fs::path path = sets_.read_from / name;
  const MappedFile file(path, MappedFile::Access::Sequential);
  KRAIT_CHECK(BadData, file.size() > 0 && file.size() % kRecord == 0, "'", path.string(),
              "' must have records of ", kRecord, " bytes, as the binary version of CIFAR-10 has; ",
              file.size(), " bytes do not divide.");
  const HeldOut held_out(options_.seed, kTrain, kHeldOut);
  std::vector<std::int32_t> grey(kPixels);
  for (std::size_t at = 0; at < file.size(); at += kRecord) {
    const auto* record = reinterpret_cast<const std::uint8_t*>(file.bytes().data()) + at;
    const std::int32_t label = record[0];
    KRAIT_CHECK(BadData, label < 10, "'", path.string(), "': the label of record ", at / kRecord,
                " must be 0 to 9, got ", label, ".");
    const std::uint8_t* red = record + 1;
    for (std::size_t i = 0; i < kPixels; ++i) {
      grey[i] = grey_level(red[i], red[kPixels + i], red[2 * kPixels + i]);
    }
    // Images past those of the release, in a larger file, all train.
    const bool valid = train && statistics.images < kTrain && held_out(statistics.images);
    statistics.add(label, grey);
    sets_.add(!train ? Split::Test : valid ? Split::Valid : Split::Train, label, {grey});
    if (++done_ % kReportImages == 0) sets_.report(done_, kTrain + kTest);
  }
  sets_.provenance.sources.push_back(
      {.name = name, .bytes = file.size(), .sha256 = sha256_hex(file.bytes())});
}

LraResult ImageSets::make() {
  Statistics train, test;
  for (const char* name : kTrainFiles) read(name, true, train);
  read(kTestFile, false, test);
  train.add_facts("train", true, sets_.provenance.facts);
  test.add_facts("test", false, sets_.provenance.facts);
  sets_.provenance.rules.emplace_back("held out", str(kHeldOut, " of the training images"));
  return sets_.finish();
}

}  // namespace

LraResult make_image_sets(const LraOptions& options) {
  return ImageSets(options).make();
}

}  // namespace krait
