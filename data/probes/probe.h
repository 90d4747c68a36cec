// Tasks that ask for one ability each, drawn when they are asked for: a sample is a pure function
// of the seed and its index, and nothing is stored. Training, validation and test data are the
// samples of three seeds, or three ranges of one.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/random.h"
#include "data/loader/dataset.h"

namespace krait {

struct ProbeSamples {
  std::uint64_t seed = 0;
  std::uint64_t first = 0;                      // index of the first sample
  std::uint64_t size = std::uint64_t{1} << 36;  // more than any run asks for
};

/// The random numbers of one sample, one after the other.
class ProbeDraws {
 public:
  ProbeDraws(const RandomStream& stream, std::uint64_t sample)
      : stream_(stream), next_(sample << kBits) {}
  /// Uniform in [0, bound), 1 <= bound < 2^31.
  std::int32_t below(std::int64_t bound);
  /// Uniform in (0, 1].
  double uniform();
  /// `count` different numbers of [0, bound), each order of them as likely.
  std::vector<std::int32_t> different(std::int64_t count, std::int64_t bound);

  static constexpr int kBits = 24;  // a sample has 2^24 numbers

 private:
  RandomStream stream_;
  std::uint64_t next_;
};

/// A data set whose samples have `length` inputs and as many targets. Few targets count, the others
/// are kIgnoreIndex.
class Probe : public Dataset {
 public:
  struct Shape {
    std::int64_t vocab_size = 0;  // ids of inputs are 0 to vocab_size - 1
    std::int64_t n_classes = 0;   // targets that count are 0 to n_classes - 1
    std::int64_t length = 0;
  };
  const Shape& shape() const { return shape_; }
  std::uint64_t size() const final { return samples_.size; }
  Sample get(std::uint64_t index) const final;

 protected:
  /// `name` keeps the numbers of one probe from those of another.
  Probe(std::string_view name, const Shape& shape, const ProbeSamples& samples);
  /// Fills in a sample whose inputs are 0 and whose targets are ignored.
  virtual void draw(ProbeDraws& draws, Sample& sample) const = 0;

 private:
  Shape shape_;
  RandomStream stream_;
  ProbeSamples samples_;
};

}  // namespace krait
