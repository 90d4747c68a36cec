#include "train/model/model_config.h"

#include "core/error.h"

namespace krait {

ModelConfig model_config(const ModelConfig& model, std::int64_t vocab_size, Precision precision) {
  KRAIT_REQUIRE(vocab_size > 0, "[model_config] vocab_size must be positive, got ", vocab_size,
                ".");
  KRAIT_CHECK(BadData, model.vocab_size == 0 || model.vocab_size == vocab_size,
              "model.vocab_size is ", model.vocab_size, ", but the vocabulary of the data has ",
              vocab_size,
              " tokens; set model.vocab_size to 0 to take the data's, or use data made with the "
              "model's tokenizer.");
  ModelConfig resolved = model;
  resolved.vocab_size = vocab_size;
  resolved.dtype = parameter_dtype(precision);
  resolved.compute = compute_dtype(precision);
  return resolved;
}

}  // namespace krait
