#include "train/generate/decoder.h"

#include <algorithm>

#include "autograd/operations/view.h"
#include "core/memory/memory.h"
#include "kernels/copy.h"

namespace krait {
namespace {

ModelHidden read(const LanguageModel& model, const Tensor& ids, const ModelState* state) {
  return model.forward(ids, {.initial = state, .want_final = true});
}

/// Writes `from` over rows [first, first + its rows) of `to`.
void put_rows(const Tensor& from, const Tensor& to, std::int64_t first) {
  copy({.x = from, .y = to.slice(0, first, first + from.size(0))}, current_context());
}
void put_rows(const ModelState& from, const ModelState& to, std::int64_t first) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    for (std::size_t k = 0; k < from[i].parts.size(); ++k) {
      put_rows(from[i].parts[k].value(), to[i].parts[k].value(), first);
    }
  }
}

/// The logits after the last position, (rows, padded vocabulary).
Tensor last_logits(const LanguageModel& model, const Variable& hidden) {
  const std::int64_t length = hidden.size(1);
  const Tensor all = model.logits(slice(hidden, 1, length - 1, length)).value();
  return all.reshape({all.size(0), all.size(2)});
}

}  // namespace

Decoder::Decoder(const LanguageModel& model, std::int64_t rows, std::int64_t prefill_length)
    : model_(model),
      prefill_length_(prefill_length),
      ids_(Tensor::zeros({rows, 1}, DType::I32, model.device())),
      readback_(model.device(), static_cast<std::size_t>(rows * model.config().padded_vocab()) *
                                    size_of(DType::F64)) {
  KRAIT_REQUIRE(rows > 0 && prefill_length > 0,
                "[Decoder] rows and prefill_length must be positive, got ", rows, " and ",
                prefill_length, ".");
  const NoGradScope no_grad;
  const ModelHidden one = read(model, ids_.slice(0, 0, 1), nullptr);
  const Tensor logits = last_logits(model, one.hidden);
  state_ = model.zero_state(rows);
  logits_ = Tensor::zeros({rows, logits.size(1)}, logits.dtype(), logits.device());
  step_ = std::make_unique<Graph>([this] { read_step(); });
}

void Decoder::read_step() const {
  const NoGradScope no_grad;
  const ModelHidden out = read(model_, ids_, &state_);
  put_rows(out.final, state_, 0);
  put_rows(last_logits(model_, out.hidden), logits_, 0);
}

void Decoder::start(std::int64_t row, std::span<const std::int32_t> prompt) {
  KRAIT_REQUIRE(row >= 0 && row < rows() && !prompt.empty(), "[Decoder::start] needs a row below ",
                rows(), " and a prompt, got row ", row, " and ", prompt.size(), " tokens.");
  const NoGradScope no_grad;
  ModelHidden out;
  while (!prompt.empty()) {
    const auto chunk =
        prompt.first(std::min(prompt.size(), static_cast<std::size_t>(prefill_length_)));
    const Tensor ids =
        Tensor::from<std::int32_t>({1, static_cast<std::int64_t>(chunk.size())}, chunk);
    const ModelState before = out.final;
    out = read(model_, ids.to(model_.device()), before.empty() ? nullptr : &before);
    prompt = prompt.subspan(chunk.size());
  }
  put_rows(out.final, state_, row);
  put_rows(last_logits(model_, out.hidden), logits_, row);
  here_ = {};
}

void Decoder::step(std::span<const std::int32_t> tokens) {
  KRAIT_REQUIRE(static_cast<std::int64_t>(tokens.size()) == rows(), "[Decoder::step] needs ",
                rows(), " tokens, one a row, got ", tokens.size(), ".");
  copy_memory({ids_.data<std::int32_t>(), ids_.device()}, {tokens.data(), {}}, tokens.size_bytes());
  step_->replay();
  here_ = {};
}

std::vector<double> Decoder::logits(std::int64_t row) {
  KRAIT_REQUIRE(row >= 0 && row < rows(), "[Decoder::logits] row must be below ", rows(), ", got ",
                row, ".");
  if (!here_.defined()) {
    readback_.start(logits_);
    here_ = readback_.wait();
  }
  std::vector<double> values(static_cast<std::size_t>(model_.config().vocab_size));
  const Tensor own = here_.slice(0, row, row + 1).slice(1, 0, model_.config().vocab_size);
  const Tensor wide = Tensor::empty(own.shape(), DType::F64);
  copy({.x = own, .y = wide}, {});
  std::ranges::copy(wide.span<double>(), values.begin());
  return values;
}

}  // namespace krait
