#include "data/lra/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <tuple>
#include <utility>

#include "core/system/file.h"
#include "core/system/hash.h"
#include "data/lra/sets.h"
#include "data/lra/text_alphabet.h"

namespace krait {
namespace fs = std::filesystem;

namespace {

constexpr std::array kSides{"neg", "pos"};  // the folders, at the places of their labels
constexpr std::uint64_t kHeldOut = 2500;
constexpr std::uint64_t kLeastSeen = 15;  // of a character that is a symbol
constexpr std::size_t kMostBytes = std::size_t{1} << 24;
constexpr std::uint64_t kReportReviews = 500;

struct Review {
  fs::path path;  // pos/12_9.txt
  std::int32_t label = 0;
  std::uint64_t id = 0;
};

/// "12_9.txt": id 12, rating 9, which must fit the folder: of pos 7 to 10, of neg 1 to 4.
Review parse_name(const fs::path& file, std::int32_t label) {
  const std::string name = file.filename();
  Review review{.path = fs::path(kSides.at(static_cast<std::size_t>(label))) / name,
                .label = label};
  int rating = 0;
  const char* end = name.data() + name.size();
  const auto [bar, id_error] = std::from_chars(name.data(), end, review.id);
  const bool good_id = id_error == std::errc() && bar != end && *bar == '_';
  KRAIT_CHECK(BadData, good_id && name.ends_with(".txt"), "'", file.string(),
              "' must be named <id>_<rating>.txt, as in the release.");
  const auto [dot, rating_error] = std::from_chars(bar + 1, end, rating);
  const bool good_rating = rating_error == std::errc() && std::string_view(dot, end) == ".txt" &&
                           (label == 1 ? rating >= 7 && rating <= 10 : rating >= 1 && rating <= 4);
  KRAIT_CHECK(BadData, good_rating, "'", file.string(), "': the rating in the name must be ",
              label == 1 ? "7 to 10 in pos" : "1 to 4 in neg", ".");
  return review;
}

/// The reviews of train/ or test/, in the order of their ids, neg before pos.
std::vector<Review> list_reviews(const fs::path& folder) {
  std::vector<Review> reviews;
  for (std::int32_t label = 0; label < 2; ++label) {
    const fs::path side = folder / kSides.at(static_cast<std::size_t>(label));
    KRAIT_CHECK(MissingInput, directory_exists(side), "there is no folder '", side.string(),
                "'; name the folder aclImdb of the release.");
    for (const auto& entry : fs::directory_iterator(side)) {
      reviews.push_back(parse_name(entry.path(), label));
    }
  }
  KRAIT_CHECK(BadData, !reviews.empty(), "'", folder.string(), "' holds no review.");
  std::ranges::sort(reviews, {}, [](const Review& r) { return std::tuple(r.id, r.label, r.path); });
  return reviews;
}

class TextSets {
 public:
  explicit TextSets(const LraOptions& options)
      : options_(options),
        folder_(find_raw(options.raw, {".", "aclImdb"}, "train")),
        train_(list_reviews(folder_ / "train")),
        test_(list_reviews(folder_ / "test")) {}
  LraResult make();

 private:
  TextAlphabet alphabet();
  void read(const char* part, const std::vector<Review>& reviews, LraSets& sets);
  void describe(LraSets& sets) const;
  std::uint64_t held_out_count() const {  // fewer of a subset
    return std::min<std::uint64_t>(kHeldOut, train_.size() / 10);
  }

  const LraOptions& options_;
  fs::path folder_;
  std::vector<Review> train_, test_;
  TextAlphabet alphabet_;
  std::vector<LraFact> facts_;
  std::uint64_t done_ = 0;
};

TextAlphabet TextSets::alphabet() {
  if (options_.units == TextUnits::Bytes) return TextAlphabet::of_bytes();
  CharacterCounts counts;
  for (const Review& review : train_) {
    counts.add(read_file(folder_ / "train" / review.path, kMostBytes));
  }
  const std::vector<char32_t> characters = counts.frequent(kLeastSeen);
  facts_.push_back({.name = str("characters seen ", kLeastSeen, " times"),
                    .expected = 133,
                    .got = static_cast<double>(characters.size())});
  return TextAlphabet::of_characters(characters);
}

void TextSets::read(const char* part, const std::vector<Review>& reviews, LraSets& sets) {
  const bool train = &reviews == &train_, copies = options_.validation == TextValidation::TestSet;
  const HeldOut held_out(options_.seed, reviews.size(), held_out_count());
  const std::size_t most = static_cast<std::size_t>(options_.max_length);
  Sha256 hash;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < reviews.size(); ++i) {
    const Review& review = reviews[i];
    const std::string text = read_file(folder_ / part / review.path, kMostBytes);
    KRAIT_CHECK(BadData, !text.empty(), "'", (folder_ / part / review.path).string(),
                "' is empty: every review has a text.");
    hash.update(str(review.path.generic_string(), "\n", text.size(), "\n", text));
    bytes += text.size();
    const std::vector<std::int32_t> ids = alphabet_.encode(text, most);
    const bool valid = train ? !copies && held_out(i) : copies;
    if (train || copies) sets.add(valid ? Split::Valid : Split::Train, review.label, {ids});
    if (!train) sets.add(Split::Test, review.label, {ids});
    if (++done_ % kReportReviews == 0) {
      sets.report(done_, train_.size() + test_.size());
    }
  }
  sets.provenance.sources.push_back(
      {.name = part, .files = reviews.size(), .bytes = bytes, .sha256 = hash.hex()});
  const auto positive = std::ranges::count(reviews, 1, &Review::label);
  facts_.push_back({.name = str("reviews of ", part),
                    .expected = 25000,
                    .got = static_cast<double>(reviews.size())});
  facts_.push_back({.name = str("positive reviews of ", part),
                    .expected = 12500,
                    .got = static_cast<double>(positive)});
  facts_.push_back({.name = str("bytes of ", part),
                    .expected = train ? 33132823. : 32350685.,
                    .got = static_cast<double>(bytes)});
}

void TextSets::describe(LraSets& sets) const {
  LraProvenance& p = sets.provenance;
  p.rules.emplace_back("units", std::string(name_of(options_.units)));
  p.rules.emplace_back("max_length", str(options_.max_length));
  if (options_.validation == TextValidation::HeldOut) {
    p.deviations.push_back(str("validated on ", held_out_count(),
                               " reviews held out of the training set, where the literature "
                               "chooses its models on the test set"));
  }
  p.facts = facts_;
}

LraResult TextSets::make() {
  alphabet_ = alphabet();
  LraSets sets(options_, {.task = "text",
                          .n_symbols = alphabet_.n_symbols(),
                          .symbols = alphabet_.symbols(),
                          .classes = {"negative", "positive"}});
  sets.read_from = folder_;
  read("train", train_, sets);
  read("test", test_, sets);
  describe(sets);
  return sets.finish();
}

}  // namespace

LraResult make_text_sets(const LraOptions& options) {
  return TextSets(options).make();
}

}  // namespace krait
