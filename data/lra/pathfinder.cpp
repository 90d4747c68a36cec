#include "data/lra/pathfinder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <utility>

#include "core/system/file.h"
#include "core/system/hash.h"
#include "core/system/parallel.h"
#include "data/lra/pathfinder/flood_fill.h"
#include "data/lra/pathfinder/generator.h"
#include "data/lra/pathfinder/metadata.h"
#include "data/lra/png.h"
#include "data/lra/sets.h"

namespace krait {
namespace fs = std::filesystem;

namespace {

constexpr std::array<std::uint64_t, 3> kImages{160000, 20000, 20000};
constexpr std::uint64_t kAllImages = 200000;
constexpr std::uint64_t kBatch = 1000;  // images of a folder, and worked on together
constexpr std::uint64_t kSolved = 500;  // images whose labels are compared with a flood fill
constexpr std::size_t kMostBytes = std::size_t{1} << 24;
/// Of the release, in a set that is not used for results; its file has no byte.
constexpr const char* kEmptyImage = "curv_baseline/imgs/0/sample_172.png";

const char* folder_of(std::int64_t contour_length) {
  return contour_length == 6   ? "curv_baseline"
         : contour_length == 9 ? "curv_contour_length_9"
                               : "curv_contour_length_14";
}

/// For thousands of small files: without waiting for the disk after each.
void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  if (!file) throw_io_error("write", path, errno);
}

/// An image and its label, wherever it comes from.
struct Labelled {
  GreyImage image;
  std::int32_t label = 0;
};

/// How often a flood fill finds the labels. Where it does not, labels and images do not belong
/// together, or the images are of another kind.
class LabelCheck {
 public:
  explicit LabelCheck(const PathfinderRules& rules) : fill_(rules) {}

  void add(const std::vector<Labelled>& images) {
    const std::uint64_t count = std::min<std::uint64_t>(images.size(), kSolved - tried_);
    std::vector<std::uint8_t> right(count);
    parallel_for(static_cast<std::int64_t>(count), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        right[i] = fill_.label(images[i].image.pixels) == images[i].label ? 1 : 0;
      }
    });
    tried_ += count;
    right_ += static_cast<std::uint64_t>(std::ranges::count(right, 1));
  }
  double share() const {
    return static_cast<double>(right_) / static_cast<double>(std::max<std::uint64_t>(tried_, 1));
  }

 private:
  PathfinderFloodFill fill_;
  std::uint64_t tried_ = 0, right_ = 0;
};

class PathfinderSets {
 public:
  explicit PathfinderSets(const LraOptions& options)
      : options_(options),
        window_(options.task == LraTask::PathX ? 128 : options.window),
        rules_(pathfinder_rules(window_, options.contour_length)),
        sets_(options, {.task = std::string(name_of(options.task)),
                        .kind = InputKind::Pixels,
                        .n_symbols = 256,
                        .classes = {"on two paths", "on one path"},
                        .height = window_,
                        .width = window_}),
        check_(rules_) {
    sets_.provenance.rules = {{"window", str(window_)},
                              {"contour_length", str(options.contour_length)},
                              {"distractors", str(rules_.n_distractors)}};
    if (options.contour_length == 14) return;
    sets_.provenance.deviations.push_back(
        str("paths of ", options.contour_length, " dashes, where the benchmark has 14"));
  }
  LraResult generate();
  LraResult read();

 private:
  fs::path layout() const {
    return fs::path(str("pathfinder", window_)) / folder_of(options_.contour_length);
  }
  void find_release();
  std::vector<PathfinderRecord> list_images();
  std::optional<Labelled> read_image(const PathfinderRecord& record, std::string& bytes) const;
  void write_raw(const fs::path& raw, std::uint64_t batch, const std::vector<Labelled>& images,
                 const std::vector<std::int64_t>& gaps) const;
  void add(Split split, const Labelled& labelled);
  LraResult finish();

  const LraOptions& options_;
  std::int64_t window_;
  PathfinderRules rules_;
  LraSets sets_;
  LabelCheck check_;
  std::uint64_t positive_ = 0;
};

void PathfinderSets::add(Split split, const Labelled& labelled) {
  const std::vector<std::int32_t> pixels(labelled.image.pixels.begin(),
                                         labelled.image.pixels.end());
  sets_.add(split, labelled.label, {pixels});
  positive_ += static_cast<std::uint64_t>(labelled.label);
}

LraResult PathfinderSets::finish() {
  double images = 0;
  for (const Split split : kSplits) images += static_cast<double>(sets_.n_examples(split));
  std::vector<LraFact>& facts = sets_.provenance.facts;
  facts.push_back({.name = "share of images with label 1",
                   .expected = 0.5,
                   .got = static_cast<double>(positive_) / images,
                   .tolerance = 2 / std::sqrt(images)});  // four standard errors
  // Measured on generated images: 0.94 with a window of 32, 0.995 else. Labels that do not belong
  // to their images give 0.5.
  facts.push_back({.name = "share of labels that a flood fill finds",
                   .expected = window_ == 32 ? 0.94 : 0.99,
                   .got = check_.share(),
                   .tolerance = 0.06});
  return sets_.finish();
}

// --- Generated images

void PathfinderSets::write_raw(const fs::path& raw, std::uint64_t batch,
                               const std::vector<Labelled>& images,
                               const std::vector<std::int64_t>& gaps) const {
  const fs::path folder = raw / "imgs" / str(batch);
  make_directories(folder);
  std::string lines;
  for (std::size_t i = 0; i < images.size(); ++i) {
    write_file(folder / str("sample_", i, ".png"), encode_png(images[i].image));
    lines += pathfinder_metadata_line(rules_, gaps[i], batch, i, images[i].label);
  }
  make_directories(raw / "metadata");
  write_file(raw / "metadata" / str(batch, ".npy"), lines);
}

LraResult PathfinderSets::generate() {
  const PathfinderGenerator generator(rules_);
  const auto counts = options_.counts.value_or(kImages);
  const std::uint64_t total = counts[0] + counts[1] + counts[2];
  fs::path raw;
  if (options_.write_raw) raw = sets_.make_raw_folder(layout());
  for (std::uint64_t first = 0; first < total; first += kBatch) {
    std::vector<Labelled> images(std::min(kBatch, total - first));
    std::vector<std::int64_t> gaps(images.size());
    parallel_for(
        static_cast<std::int64_t>(images.size()), 1, [&](std::int64_t begin, std::int64_t end) {
          for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            PathfinderImage drawn = generator.draw(options_.seed, first + i);
            images[i] = {
                .image = {.height = window_, .width = window_, .pixels = std::move(drawn.pixels)},
                .label = drawn.label};
            gaps[i] = drawn.gap;
          }
        });
    for (std::size_t i = 0; i < images.size(); ++i) {
      const std::uint64_t number = first + i;
      add(number < counts[0]               ? Split::Train
          : number < counts[0] + counts[1] ? Split::Valid
                                           : Split::Test,
          images[i]);
    }
    check_.add(images);
    if (options_.write_raw) write_raw(raw, first / kBatch, images, gaps);
    sets_.report(first + images.size(), total);
  }
  LraResult result = finish();
  if (options_.write_raw) {
    write_file_atomic(raw / kRawProvenanceFile, result.provenance.json(std::nullopt) + "\n");
  }
  return result;
}

// --- The release

void PathfinderSets::find_release() {
  const std::string whole = layout().generic_string(), set = folder_of(options_.contour_length);
  sets_.read_from = find_raw(options_.raw, {".", set.c_str(), whole.c_str()}, "metadata");
  // The release holds a faulty pathfinder128 beside the folder lra_release with the right one.
  if (window_ != 128) return;
  const fs::path outer = fs::absolute(sets_.read_from).lexically_normal().parent_path();
  const fs::path right = outer.parent_path() / "lra_release" / outer.filename();
  KRAIT_CHECK(BadData, !path_exists(right), "'", outer.string(),
              "' is the faulty copy of pathfinder128, whose labels no model learns; read '",
              right.string(), "'.");
}

std::vector<PathfinderRecord> PathfinderSets::list_images() {
  const fs::path folder = sets_.read_from / "metadata";
  std::vector<std::pair<std::uint64_t, fs::path>> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().stem();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool good = error == std::errc() && end == name.data() + name.size();
    KRAIT_CHECK(BadData, good && entry.path().extension() == ".npy", "'", entry.path().string(),
                "' must be named <batch>.npy, as in the release.");
    files.emplace_back(number, entry.path());
  }
  std::ranges::sort(files);
  std::vector<PathfinderRecord> records;
  Sha256 hash;
  std::uint64_t bytes = 0;
  for (const auto& [number, path] : files) {
    const auto of_file = read_pathfinder_metadata(path);
    records.insert(records.end(), of_file.begin(), of_file.end());
    const std::string text = read_file(path, kMostBytes);
    hash.update(str(path.filename().string(), "\n", text.size(), "\n", text));
    bytes += text.size();
  }
  KRAIT_CHECK(BadData, !records.empty(), "'", folder.string(), "' names no image.");
  sets_.provenance.sources.push_back(
      {.name = "metadata", .files = files.size(), .bytes = bytes, .sha256 = hash.hex()});
  return records;
}

/// Nothing for the one image of the release that is empty.
std::optional<Labelled> PathfinderSets::read_image(const PathfinderRecord& record,
                                                   std::string& bytes) const {
  const fs::path path = sets_.read_from / record.image;
  bytes = read_file(path, kMostBytes);
  const fs::path known = sets_.read_from.filename() / record.image;
  if (bytes.empty() && known.generic_string() == kEmptyImage) return std::nullopt;
  return Labelled{.image = decode_png(bytes, window_, window_, str("'", path.string(), "'")),
                  .label = record.label};
}

LraResult PathfinderSets::read() {
  find_release();
  const std::vector<PathfinderRecord> records = list_images();
  const std::uint64_t total = records.size(), tenth = total / 10;
  const HeldOut held_out(options_.seed, total, 2 * tenth), valid(options_.seed, total, tenth);
  Sha256 hash;
  std::uint64_t bytes = 0;
  for (std::uint64_t first = 0; first < total; first += kBatch) {
    std::vector<std::optional<Labelled>> read(std::min(kBatch, total - first));
    std::vector<std::string> files(read.size());
    parallel_for(
        static_cast<std::int64_t>(read.size()), 1, [&](std::int64_t begin, std::int64_t end) {
          for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            read[i] = read_image(records[first + i], files[i]);
          }
        });
    std::vector<Labelled> images;
    for (std::size_t i = 0; i < read.size(); ++i) {
      hash.update(
          str(records[first + i].image.generic_string(), "\n", files[i].size(), "\n", files[i]));
      bytes += files[i].size();
      if (!read[i]) {
        sets_.notes.push_back(
            str("left out ", records[first + i].image.string(), ", which is empty."));
        continue;
      }
      const std::uint64_t number = first + i;
      add(valid(number) ? Split::Valid : held_out(number) ? Split::Test : Split::Train, *read[i]);
      images.push_back(std::move(*read[i]));
    }
    check_.add(images);
    sets_.report(first + read.size(), total);
  }
  sets_.provenance.sources.push_back(
      {.name = "imgs", .files = total, .bytes = bytes, .sha256 = hash.hex()});
  sets_.provenance.facts.push_back({.name = "images",
                                    .expected = static_cast<double>(kAllImages),
                                    .got = static_cast<double>(total)});
  sets_.provenance.rules.emplace_back("split", "a random tenth each for validation and test");
  return finish();
}

}  // namespace

LraResult make_pathfinder_sets(const LraOptions& options) {
  KRAIT_CHECK(
      Usage, options.task != LraTask::PathX || !options.raw.empty() || options.write_raw,
      "images of Path-X are drawn while a model trains, and not stored; ask for `raw` files, "
      "or make Pathfinder with a `window` of 128.");
  PathfinderSets sets(options);
  return options.raw.empty() ? sets.generate() : sets.read();
}

}  // namespace krait
