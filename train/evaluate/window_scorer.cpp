#include "train/evaluate/window_scorer.h"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include "autograd/operations/view.h"
#include "core/error.h"
#include "core/system/parallel.h"
#include "core/target.h"
#include "core/tensor/readback.h"
#include "kernels/embedding.h"
#include "kernels/linear_cross_entropy.h"

namespace krait {
namespace {

using Windows = std::span<const PerplexityWindow>;

std::int64_t inputs(const PerplexityWindow& w) {
  return static_cast<std::int64_t>(w.end - w.begin) - 1;
}

std::int64_t chain_inputs(Windows windows, const WindowChain& chain) {
  std::int64_t sum = 0;
  for (const auto& w : windows.subspan(chain.first, chain.count)) sum += inputs(w);
  return sum;
}

std::int64_t longest_window(Windows windows, const WindowChain& chain) {
  std::int64_t longest = 0;
  for (const auto& w : windows.subspan(chain.first, chain.count)) {
    longest = std::max(longest, inputs(w));
  }
  return longest;
}

std::vector<WindowChain> window_chains(Windows windows) {
  std::vector<WindowChain> chains;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (!windows[i].carries) {
      chains.push_back({.first = i});
    } else {
      KRAIT_REQUIRE(!chains.empty(), "[score_windows] the first window must not carry state.");
      ++chains.back().count;
    }
  }
  return chains;
}

/// The first `rows` rows of a state.
MambaState first_rows(const MambaState& state, std::int64_t rows) {
  MambaState result;
  for (const MixerState& layer : state) {
    result.push_back({slice(layer.conv, 0, 0, rows), slice(layer.ssm, 0, 0, rows)});
  }
  return result;
}

std::vector<double> to_doubles(const Tensor& values) {
  std::vector<double> result;
  visit_float(values.dtype(), "score_windows", [&](auto zero) {
    const auto span = values.span<decltype(zero)>();
    result.assign(span.begin(), span.end());
  });
  return result;
}

/// The windows that go through the model in one pass, a row each.
class Pass {
 public:
  struct Row {
    std::size_t window;
    WindowTokens text;
    std::int64_t inputs, first_scored;  // the latter: input that predicts the first target
  };
  Pass(const WindowWork& work, const std::vector<std::size_t>& numbers) {
    for (const std::size_t number : numbers) {
      const PerplexityWindow& w = work.windows[number];
      rows_.push_back({.window = number,
                       .text = work.read(w),
                       .inputs = inputs(w),
                       .first_scored = static_cast<std::int64_t>(w.scored - w.begin) - 1});
      length_ = std::max(length_, rows_.back().inputs);
      n_targets_ += static_cast<std::int64_t>(rows_.back().text.targets.size());
      has_ids_ = has_ids_ || !rows_.back().text.sequence_ids.empty();
    }
  }
  const std::vector<Row>& rows() const { return rows_; }

  /// (rows, length): the inputs; padding repeats a token.
  Tensor ids(Device device) const {
    return padded(device, [](const Row& row, std::size_t i) { return row.text.tokens[i]; });
  }
  Tensor sequence_ids(Device device) const {
    if (!has_ids_) return {};
    return padded(device, [](const Row& row, std::size_t i) {
      return row.text.sequence_ids.empty() ? 0 : row.text.sequence_ids[i];
    });
  }
  /// (targets of all rows, one after the other).
  Tensor targets(Device device) const {
    const Tensor all = Tensor::empty({n_targets_}, DType::I32);
    auto* out = all.data<std::int32_t>();
    for (const Row& row : rows_) out = std::ranges::copy(row.text.targets, out).out;
    return all.to(device);
  }
  /// The rows of hidden (rows, length, d) that predict the targets, in their order.
  Tensor predicting(const Tensor& hidden) const {
    const std::int64_t d = hidden.size(2);
    Tensor flat = hidden.reshape({hidden.size(0) * hidden.size(1), d});
    if (n_targets_ == flat.size(0)) return flat;
    if (rows_.size() == 1) {
      return flat.slice(0, rows_[0].first_scored, rows_[0].first_scored + n_targets_);
    }
    const Tensor places = Tensor::empty({n_targets_}, DType::I32);
    auto* out = places.data<std::int32_t>();
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const std::int64_t first = static_cast<std::int64_t>(r) * length_ + rows_[r].first_scored;
      for (std::size_t i = 0; i < rows_[r].text.targets.size(); ++i) {
        *out++ = static_cast<std::int32_t>(first + static_cast<std::int64_t>(i));
      }
    }
    Tensor picked = Tensor::empty({n_targets_, d}, flat.dtype(), flat.device());
    embedding_forward({.ids = places.to(flat.device()), .table = flat, .y = picked},
                      current_context());
    return picked;
  }
  /// A window with state to pass on ends where its row does.
  bool is_full(std::size_t row) const { return rows_[row].inputs == length_; }

 private:
  template <class Value>
  Tensor padded(Device device, Value&& value) const {
    const Tensor all =
        Tensor::empty({static_cast<std::int64_t>(rows_.size()), length_}, DType::I32);
    auto* out = all.data<std::int32_t>();
    for (const Row& row : rows_) {
      for (std::int64_t i = 0; i < length_; ++i) {
        *out++ = value(row, static_cast<std::size_t>(std::min(i, row.inputs - 1)));
      }
    }
    return all.to(device);
  }

  std::vector<Row> rows_;
  std::int64_t length_ = 0, n_targets_ = 0;
  bool has_ids_ = false;
};

/// Computes passes one after the other. The losses of one are looked at while a GPU computes the
/// next.
class Lane {
 public:
  /// No pass has more than `most_targets`.
  Lane(const MambaLM& model, const WindowWork& work, std::int64_t most_targets,
       std::mutex* visiting)
      : model_(model),
        work_(work),
        visiting_(*visiting),
        losses_(model.device(), static_cast<std::size_t>(most_targets) * sizeof(double)),
        correct_(model.device(), static_cast<std::size_t>(most_targets)) {}

  void score(const WindowGroup& group) {
    MambaState state;
    for (std::size_t step = 0; step < group.front().count; ++step) {
      std::vector<std::size_t> numbers;
      std::size_t continuing = 0;
      for (const WindowChain& chain : group) {  // by falling count
        if (step < chain.count) numbers.push_back(chain.first + step);
        if (step + 1 < chain.count) ++continuing;
      }
      if (step > 0) state = first_rows(state, static_cast<std::int64_t>(numbers.size()));
      run(Pass(work_, numbers), continuing, &state);
    }
  }
  /// Visits the windows of the last pass.
  void finish() {
    if (!pass_) return;
    const Pass pass = std::move(*pass_);
    pass_.reset();
    const std::vector<double> losses = to_doubles(losses_.wait());
    const Tensor correct = correct_.wait();
    visit(pass, losses, correct.span<std::uint8_t>());
  }

 private:
  /// `state` is what the rows start with, if it is not empty, and becomes what they end with.
  void run(Pass pass, std::size_t continuing, MambaState* state) {
    for (std::size_t row = 0; row < continuing; ++row) {
      KRAIT_REQUIRE(pass.is_full(row),
                    "[score_windows] windows with state to pass on must be of one length.");
    }
    const Device device = model_.device();
    const MambaHidden out =
        model_.forward(pass.ids(device), {.initial = state->empty() ? nullptr : state,
                                          .sequence_ids = pass.sequence_ids(device),
                                          .want_final = continuing > 0});
    *state = out.final;
    const Tensor x = pass.predicting(out.hidden.value());
    const auto per_target = [&](DType dtype) { return Tensor::empty({x.size(0)}, dtype, device); };
    const DType sum = accumulate_dtype(x.dtype());
    const LinearCrossEntropyForward args{.x = x,
                                         .weight = model_.head().value(),
                                         .targets = pass.targets(device),
                                         .losses = per_target(sum),
                                         .logsumexp = per_target(sum),
                                         .correct = per_target(DType::U8)};
    linear_cross_entropy_forward(args, current_context());
    finish();  // the pass before
    losses_.start(args.losses);
    correct_.start(args.correct);
    pass_ = std::move(pass);
  }

  void visit(const Pass& pass, std::span<const double> losses,
             std::span<const std::uint8_t> correct) const {
    const std::lock_guard lock(visiting_);
    std::size_t first = 0;
    for (const Pass::Row& row : pass.rows()) {
      const std::size_t n = row.text.targets.size();
      work_.visit({.window = row.window,
                   .targets = row.text.targets,
                   .losses = losses.subspan(first, n),
                   .correct = correct.subspan(first, n)});
      first += n;
    }
  }

  const MambaLM& model_;
  const WindowWork& work_;
  std::mutex& visiting_;
  std::optional<Pass> pass_;  // whose losses are on their way
  Readback losses_, correct_;
};

/// All groups, each in a pass or a few, `batch` of them side by side.
void score_on_cpu(const MambaLM& model, const WindowWork& work,
                  const std::vector<WindowGroup>& groups, std::int64_t most_targets,
                  std::int64_t batch) {
  std::mutex visiting;
  const auto score = [&](std::int64_t group) {
    Lane lane(model, work, most_targets, &visiting);
    lane.score(groups[static_cast<std::size_t>(group)]);
    lane.finish();
  };
  const auto n = static_cast<std::int64_t>(groups.size());
  const ExecutionContext context = current_context();
  for (std::int64_t first = 0; first < n; first += batch) {
    const std::int64_t last = std::min(first + batch, n);
    if (last - first == 1) {  // not in a parallel loop, so that the kernels can use all threads
      score(first);
      continue;
    }
    parallel_for(last - first, 1, [&](auto begin, auto end) {
      const ContextScope scope(context);
      const NoGradScope no_grad;
      for (auto i = begin; i < end; ++i) score(first + i);
    });
  }
}

}  // namespace

std::vector<WindowGroup> window_groups(Windows windows, std::int64_t forward_tokens) {
  std::vector<WindowChain> chains = window_chains(windows);
  std::vector<WindowGroup> groups;
  if (forward_tokens == 0) {
    for (const WindowChain& chain : chains) groups.push_back({chain});
    return groups;
  }
  std::ranges::stable_sort(chains, std::greater(), [&](const WindowChain& chain) {
    return std::tuple(chain.count, chain_inputs(windows, chain));
  });
  std::int64_t longest = 0;
  for (const WindowChain& chain : chains) {
    const std::int64_t with_it = std::max(longest, longest_window(windows, chain));
    const bool fits =
        !groups.empty() &&
        (static_cast<std::int64_t>(groups.back().size()) + 1) * with_it <= forward_tokens;
    if (!fits) groups.emplace_back();
    longest = fits ? with_it : longest_window(windows, chain);
    groups.back().push_back(chain);
  }
  return groups;
}

void score_windows(const MambaLM& model, const WindowWork& work, const WindowScoring& scoring) {
  KRAIT_CHECK(Usage, scoring.batch >= 0, "`batch` must be 0 (as suits the threads) or more, got ",
              scoring.batch, ".");
  const bool on_gpu = model.device().is_cuda();
  const std::int64_t tokens = scoring.forward_tokens > 0 ? scoring.forward_tokens
                              : on_gpu                   ? kGpuForwardTokens
                                                         : 0;
  const std::vector<WindowGroup> groups = window_groups(work.windows, tokens);
  std::int64_t most = tokens;  // targets of a pass
  for (const PerplexityWindow& w : work.windows) most = std::max(most, inputs(w));
  const NoGradScope no_grad;
  if (!on_gpu) {
    constexpr std::int64_t kGroupsPerThread = 4;  // they take unequal times
    const std::int64_t batch =
        scoring.batch > 0 ? scoring.batch : kGroupsPerThread * thread_count();
    return score_on_cpu(model, work, groups, most, batch);
  }
  std::mutex visiting;
  Lane lane(model, work, most, &visiting);
  for (const WindowGroup& group : groups) lane.score(group);
  lane.finish();
}

}  // namespace krait
