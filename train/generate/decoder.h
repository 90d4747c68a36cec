// A language model in the middle of several texts.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/stream/graph.h"
#include "core/tensor/readback.h"
#include "layers/models/language_model.h"

namespace krait {

/// Texts that a model reads side by side, a row each: a prompt in chunks, then all rows one token
/// at a time. A row is a state of fixed size, so memory and the time of a token do not depend on
/// how much was read. A step is recorded once and replayed (core/stream/graph.h). Computes on the
/// model's device in the context that is current at construction; `model` must outlive the decoder
/// and not change.
class Decoder {
 public:
  /// `prefill_length`: tokens of a prompt that are read at once, which bounds the memory.
  Decoder(const LanguageModel& model, std::int64_t rows, std::int64_t prefill_length = 512);

  std::int64_t rows() const { return logits_.size(0); }
  /// Starts a row anew with a prompt of at least one token.
  void start(std::int64_t row, std::span<const std::int32_t> prompt);
  /// Reads one more token in every row.
  void step(std::span<const std::int32_t> tokens);
  /// (vocab_size) logits of what comes next in a row, without the padding of the vocabulary.
  std::vector<double> logits(std::int64_t row);

 private:
  void read_step() const;

  const LanguageModel& model_;
  std::int64_t prefill_length_;
  Tensor ids_;        // (rows, 1) i32
  ModelState state_;  // of all rows
  Tensor logits_;     // (rows, padded vocabulary)
  Readback readback_;
  Tensor here_;  // logits_ on the host; undefined when they have changed
  std::unique_ptr<Graph> step_;
};

}  // namespace krait
