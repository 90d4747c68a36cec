// Figures on data that a model was not trained on, in a run and on the command line.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace krait {

/// One result, such as {"loss", 2.31}.
struct Figure {
  std::string name;
  double value = 0;
  double standard_error = 0;  // 0: not known
};

struct Evaluation {
  std::vector<Figure> figures;
  std::uint64_t count = 0;  // of what the figures are means over (Evaluator::unit)
};

/// Units done, and units in all.
using EvaluationProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// A measurement of a model, which it refers to: it sees the parameters as they are when it is
/// asked.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  virtual Evaluation evaluate(const EvaluationProgress& progress = {}) const = 0;
  /// The number that tells which of two checkpoints is better: lower is better.
  virtual double decisive(const Evaluation& evaluation) const = 0;
  /// What the figures are counted over: "tokens".
  virtual std::string unit() const = 0;
  /// What is measured, and on which data: figures of equal identities can be compared.
  virtual std::string identity() const = 0;
};

}  // namespace krait
