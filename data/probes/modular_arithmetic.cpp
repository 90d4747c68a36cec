#include "data/probes/modular_arithmetic.h"

#include <algorithm>

#include "core/error.h"

namespace krait {
namespace {

using Id = ModularArithmetic;
constexpr std::int32_t kModulus = ModularArithmetic::kModulus;

std::int32_t modulo(std::int32_t value) {
  return (value % kModulus + kModulus) % kModulus;
}

std::int32_t apply(std::int32_t op, std::int32_t left, std::int32_t right) {
  return modulo(op == Id::kPlus ? left + right : op == Id::kMinus ? left - right : left * right);
}

/// Writes expressions at the end of `ids` and returns their values.
class Writer {
 public:
  Writer(ProbeDraws& draws, std::vector<std::int32_t>& ids) : draws_(draws), ids_(ids) {}

  std::int32_t plain(std::int64_t length) {
    std::int32_t sum = 0, sign = 1, product = digit();
    for (std::int64_t i = 1; i + 1 < length; i += 2) {
      const std::int32_t op = operation(), next = digit();
      if (op == Id::kTimes) {
        product = modulo(product * next);
      } else {
        sum += sign * product;
        sign = op == Id::kPlus ? 1 : -1;
        product = next;
      }
    }
    return modulo(sum + sign * product);
  }

  std::int32_t in_brackets(std::int64_t length) {  // nested length / 4 deep at most
    if (length == 1) return digit();
    if (length == 2) {
      ids_.push_back(Id::kMinus);
      return modulo(-digit());
    }
    ids_.push_back(Id::kOpen);
    const std::int32_t value = length <= 4 ? in_brackets(length - 2) : two_sides(length - 3);
    ids_.push_back(Id::kClose);
    return value;
  }

 private:
  std::int32_t two_sides(std::int64_t length) {
    const std::int64_t left_length = 1 + draws_.below(length - 1);
    const std::int32_t left = in_brackets(left_length), op = operation();
    return apply(op, left, in_brackets(length - left_length));
  }
  std::int32_t digit() {
    const std::int32_t value = draws_.below(kModulus);
    ids_.push_back(Id::kDigit + value);
    return value;
  }
  std::int32_t operation() {
    ids_.push_back(Id::kPlus + draws_.below(3));
    return ids_.back();
  }

  ProbeDraws& draws_;
  std::vector<std::int32_t>& ids_;
};

}  // namespace

ModularArithmetic::ModularArithmetic(const Options& options, const ProbeSamples& samples)
    : Probe("modular arithmetic",
            {.vocab_size = kEquals + 1, .n_classes = kModulus, .length = options.max_length},
            samples),
      options_(options) {
  // The brackets of 2^16 ids nest some thousand calls deep.
  KRAIT_CHECK(BadConfig,
              options.min_length >= 2 && options.min_length <= options.max_length &&
                  options.max_length <= 1 << 16,
              "modular arithmetic needs 2 <= min_length <= max_length <= 2^16, got ",
              options.min_length, " and ", options.max_length, ".");
}

void ModularArithmetic::draw(ProbeDraws& draws, Sample& sample) const {
  const std::int64_t length =
      options_.min_length + draws.below(options_.max_length - options_.min_length + 1);
  std::vector<std::int32_t> ids;
  Writer writer(draws, ids);
  const std::int32_t value = options_.form == ArithmeticForm::Plain
                                 ? writer.plain(length - 1)
                                 : writer.in_brackets(length - 1);
  ids.push_back(kEquals);
  std::ranges::copy(ids, sample.inputs.begin());
  sample.targets[ids.size() - 1] = value;
}

}  // namespace krait
