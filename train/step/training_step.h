// One optimizer step, as the trainer, krait bench step and a recorded graph run it.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/stream/graph.h"
#include "core/tensor/readback.h"
#include "data/loader/batch.h"
#include "train/parallel/communicator.h"
#include "train/step/objective.h"
#include "train/step/optimizer.h"
#include "train/step/parameter_arena.h"
#include "train/step/parameter_average.h"
#include "train/step/step_scalars.h"

namespace krait {

/// The moments of a step, in order; Forward and Backward come once for each micro-batch.
enum class StepMoment : std::uint8_t { Begun, Forward, Backward, Updated };

struct StepOptions {
  std::int64_t micro_batches = 1;
  std::uint64_t seed = 0;  // of dropout
  OptimizerOptions optimizer;
  double average_decay = 0;  // of an exponential moving average of the parameters; 0: no average
  /// On a GPU: record the first step as a graph, and submit the following ones of the same shapes
  /// as one launch each.
  bool recorded = false;
  /// Called when everything up to that moment has been submitted; not in a replayed step.
  std::function<void(StepMoment)> on_moment = {};
};

/// The figures of one optimizer step.
struct StepFigures {
  std::int64_t number = 0;   // from 1
  double loss = 0;           // mean over the targets of all micro-batches and ranks
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  std::int64_t targets = 0;
  double seconds = 0;  // since the figures of the step before, or since its start if that was later

  bool are_finite() const;
};

/// Forward, backward, sum over ranks, clipping and AdamW over the parameters of an objective, which
/// move into a flat arena. The host is up to one step ahead of a GPU: start() submits a step and
/// waits for nothing, finish_oldest() waits for its figures.
///
/// A loss or gradient that is not finite changes no parameter, and neither does any later step: the
/// figures tell.
class TrainingStep {
 public:
  /// Steps that may be under way: on a GPU the host prepares one while the device computes another.
  static constexpr std::size_t kMostUnderWay = 2;

  /// The parameters of `objective` have their initial values, on the CPU; they move to `device`.
  TrainingStep(const Objective& objective, const StepOptions& options, Communicator& communicator,
               Device device);

  /// Submits step `number` on `micro_batches` batches, which lie on the CPU or the device. Fewer
  /// than kMostUnderWay steps may be under way.
  void start(std::int64_t number, double learning_rate, std::vector<Batch> batches);
  std::size_t under_way() const { return started_.size(); }
  /// Waits for the figures of the oldest step under way.
  StepFigures finish_oldest();

  /// The first parameter whose gradient on `batches` is not finite, or "none". Computes gradients
  /// and changes nothing else. No step may be under way.
  std::string first_non_finite_gradient(std::int64_t number, std::vector<Batch> batches);

  const ParameterArena& arena() const { return arena_; }
  const Optimizer& optimizer() const { return optimizer_; }
  /// Null without average_decay.
  ParameterAverage* average() { return average_ ? &*average_ : nullptr; }

 private:
  struct Started {
    StepFigures figures;
    std::chrono::steady_clock::time_point begun;
  };
  struct Prepared {
    StepFigures figures;
    bool same_places = false;  // the batches lie where those of the step before lay
  };
  Prepared prepare(std::int64_t number, double learning_rate, std::vector<Batch> batches);
  void compute();
  void compute_gradients();
  void pass_over(std::int64_t micro_batch);
  void mark(StepMoment moment) const;

  const Objective& objective_;
  StepOptions options_;
  Communicator& communicator_;
  ParameterArena arena_;
  Optimizer optimizer_;
  std::optional<ParameterAverage> average_;
  StepScalars scalars_;
  std::vector<Batch> batches_;  // on the device; a recorded step reads them again and again
  Tensor figures_;  // on the device: the loss of each micro-batch, then the gradient norm
  std::unique_ptr<Graph> graph_;
  std::deque<Readback> readbacks_;  // step i has number i mod size
  std::deque<Started> started_;     // their figures are on the way
  std::chrono::steady_clock::time_point finished_at_;
};

}  // namespace krait
