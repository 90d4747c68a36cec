#include "train/task/token_data.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/system/hash.h"
#include "data/loader/mixture.h"
#include "data/tokenizer/make_tokenizer.h"

namespace krait {

TrainingData::TrainingData(const std::string& data_train) {
  for (const MixtureItem& item : parse_mixture(data_train)) {
    parts_.push_back({std::make_shared<const TokenSet>(item.path), item.weight});
    const TokenSetInfo& other = parts_.back().set->info();
    KRAIT_CHECK(BadData, other.tokenizer == info().tokenizer, "data.train '", item.path,
                "' was made with the tokenizer ", other.tokenizer.name, ", '", info().path.string(),
                "' with ", info().tokenizer.name,
                "; build both with one tokenizer (krait data build).");
  }
}

std::unique_ptr<Tokenizer> TrainingData::make_tokenizer() const {
  return krait::make_tokenizer(info().tokenizer, parts_.front().set->tokenizer_definition());
}

std::uint64_t TrainingData::n_tokens() const {
  std::uint64_t n = 0;
  for (const Part& part : parts_) n += part.set->n_tokens();
  return n;
}

double TrainingData::share(const Part& part) const {
  double sum = 0;
  for (const Part& each : parts_) sum += each.weight;
  return part.weight / sum;
}

std::string TrainingData::identity() const {
  if (parts_.size() == 1) return info().content_sha256;
  Sha256 hash;
  hash.update("krait-mixture\n");
  for (const Part& part : parts_) {
    hash.update(fmt::format("{} {:.9g}\n", part.set->info().content_sha256, share(part)));
  }
  return hash.hex();
}

void TrainingData::verify() const {
  for (const Part& part : parts_) part.set->verify();
}

std::vector<LoaderPart> TrainingData::windows(std::int64_t length,
                                              DocumentBoundary boundary) const {
  std::vector<LoaderPart> windows;
  for (const Part& part : parts_) {
    windows.push_back({std::make_shared<TokenWindows>(part.set, length, boundary), part.weight});
  }
  return windows;
}

std::vector<std::string> TrainingData::description() const {
  std::vector<std::string> lines;
  if (parts_.size() == 1) return lines;
  for (const Part& part : parts_) {
    lines.push_back(fmt::format("{:.4g} % of the samples are of {}: {} tokens", 100 * share(part),
                                part.set->info().path.string(), part.set->n_tokens()));
  }
  return lines;
}

}  // namespace krait
