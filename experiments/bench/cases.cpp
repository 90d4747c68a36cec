#include "experiments/bench/cases.h"

#include <array>
#include <initializer_list>

#include <fmt/format.h>

#include "kernels/adamw.h"
#include "kernels/causal_conv1d.h"
#include "kernels/copy.h"
#include "kernels/diagonal_scan.h"
#include "kernels/embedding.h"
#include "kernels/gemm.h"
#include "kernels/linear_cross_entropy.h"
#include "kernels/norm.h"
#include "kernels/reduce.h"
#include "kernels/s4d.h"
#include "kernels/selective_scan.h"

namespace krait {
namespace {

/// Bytes of tensors that are read or written once; undefined ones count nothing.
double bytes_of(std::initializer_list<const Tensor*> tensors) {
  double bytes = 0;
  for (const Tensor* t : tensors) bytes += static_cast<double>(t->bytes());
  return bytes;
}

struct ScanShape {
  std::int64_t b, d, n, l;
  std::string text() const { return fmt::format("b{} d{} n{} l{}", b, d, n, l); }
};

SelectiveScanForward scan_forward(KernelBench& bench, const ScanShape& s) {
  const DType t = bench.dtype(), sum = bench.sum_dtype();
  const std::int64_t chunk = selective_scan_chunk(bench.context().device);
  return {.u = bench.random({s.b, s.l, s.d}, t),
          .delta = bench.random({s.b, s.l, s.d}, t, -4, -1),
          .A = bench.random({s.d, s.n}, sum, -16, -1),
          .B = bench.random({s.b, s.l, 1, s.n}, t),
          .C = bench.random({s.b, s.l, 1, s.n}, t),
          .D = bench.random({s.d}, sum),
          .z = bench.random({s.b, s.l, s.d}, t),
          .delta_bias = bench.random({s.d}, sum),
          .y = bench.empty({s.b, s.l, s.d}, t),
          .chunk_states = bench.empty({s.b, (s.l + chunk - 1) / chunk, s.d, s.n}, sum)};
}

SelectiveScanBackward scan_backward(KernelBench& bench, const SelectiveScanForward& f) {
  selective_scan_forward(f, bench.context());  // chunk_states
  return {.forward = f,
          .dy = bench.random(f.y.shape(), f.y.dtype()),
          .du = bench.gradient(f.u),
          .ddelta = bench.gradient(f.delta),
          .dA = bench.gradient(f.A),
          .dB = bench.gradient(f.B),
          .dC = bench.gradient(f.C),
          .dD = bench.gradient(f.D),
          .dz = bench.gradient(f.z),
          .ddelta_bias = bench.gradient(f.delta_bias)};
}

/// `beside`: another length of the same sizes, 0 for none.
void bench_scan(KernelBench& bench, const ScanShape& s, std::int64_t beside = 0) {
  const std::string forward_name = "selective_scan_forward",
                    backward_name = "selective_scan_backward";
  if (!bench.wants(forward_name) && !bench.wants(backward_name)) return;
  const auto forward = bench.sets([&] { return scan_forward(bench, s); });
  const SelectiveScanForward& f = forward.front();
  const double inputs = bytes_of({&f.u, &f.delta, &f.z, &f.B, &f.C, &f.A, &f.D, &f.delta_bias});
  KernelCase one{.kernel = forward_name,
                 .shape = s.text(),
                 .bytes = inputs + bytes_of({&f.y, &f.chunk_states}),
                 .work = static_cast<double>(s.b * s.d * s.n * s.l),
                 .unit = WorkUnit::StateUpdates};
  if (beside > 0) one.beside = ScanShape{s.b, s.d, s.n, beside}.text();
  bench.add(one, [&](std::size_t turn) {
    selective_scan_forward(forward[turn % forward.size()], bench.context());
  });
  if (!bench.wants(backward_name)) return;
  std::vector<SelectiveScanBackward> backward;
  for (const auto& set : forward) backward.push_back(scan_backward(bench, set));
  const SelectiveScanBackward& g = backward.front();
  one.kernel = backward_name;
  one.bytes = inputs + bytes_of({&f.chunk_states, &g.dy, &g.du.tensor, &g.ddelta.tensor,
                                 &g.dA.tensor, &g.dB.tensor, &g.dC.tensor, &g.dD.tensor,
                                 &g.dz.tensor, &g.ddelta_bias.tensor});
  bench.add(one, [&](std::size_t turn) {
    selective_scan_backward(backward[turn % backward.size()], bench.context());
  });
}

struct S4dShape {
  std::int64_t b, d, n, l;
  bool complex;
  std::string text() const {
    return fmt::format("b{} d{} n{}{} l{}", b, d, n, complex ? "c" : "", l);
  }
};

S4dForward s4d_forward_case(KernelBench& bench, const S4dShape& s) {
  const DType t = bench.dtype(), sum = bench.sum_dtype();
  const std::int64_t chunk = s4d_chunk(bench.context().device);
  S4dForward f{.u = bench.random({s.b, s.l, s.d}, t),
               .dt = bench.random({s.d}, sum, 1e-3, 0.1),
               .A_real = bench.random({s.d, s.n}, sum, -16, -0.5),
               .C_real = bench.random({s.d, s.n}, sum),
               .D = bench.random({s.d}, sum),
               .z = bench.random({s.b, s.l, s.d}, t),
               .y = bench.empty({s.b, s.l, s.d}, t)};
  Shape states{s.b, (s.l + chunk - 1) / chunk, s.d, s.n};
  if (s.complex) {
    states.push_back(2);
    f.A_imag = bench.random({s.d, s.n}, sum, 0, 100);
    f.C_imag = bench.random({s.d, s.n}, sum);
  }
  f.chunk_states = bench.empty(states, sum);
  return f;
}

S4dBackward s4d_backward_case(KernelBench& bench, const S4dForward& f) {
  s4d_forward(f, bench.context());  // chunk_states
  S4dBackward g{.forward = f,
                .dy = bench.random(f.y.shape(), f.y.dtype()),
                .du = bench.gradient(f.u),
                .ddt = bench.gradient(f.dt),
                .dA_real = bench.gradient(f.A_real),
                .dC_real = bench.gradient(f.C_real),
                .dD = bench.gradient(f.D),
                .dz = bench.gradient(f.z)};
  if (f.A_imag.defined()) {
    g.dA_imag = bench.gradient(f.A_imag);
    g.dC_imag = bench.gradient(f.C_imag);
  }
  return g;
}

void bench_s4d(KernelBench& bench, const S4dShape& s) {
  const std::string forward_name = "s4d_forward", backward_name = "s4d_backward";
  if (!bench.wants(forward_name) && !bench.wants(backward_name)) return;
  const auto forward = bench.sets([&] { return s4d_forward_case(bench, s); });
  const S4dForward& f = forward.front();
  KernelCase one{.kernel = forward_name,
                 .shape = s.text(),
                 .bytes = bytes_of({&f.u, &f.z, &f.y, &f.chunk_states}),
                 .work = static_cast<double>(s.b * s.d * s.n * s.l),
                 .unit = WorkUnit::StateUpdates};
  bench.add(
      one, [&](std::size_t turn) { s4d_forward(forward[turn % forward.size()], bench.context()); });
  if (!bench.wants(backward_name)) return;
  std::vector<S4dBackward> backward;
  for (const auto& set : forward) backward.push_back(s4d_backward_case(bench, set));
  const S4dBackward& g = backward.front();
  one.kernel = backward_name;
  one.bytes = bytes_of({&f.u, &f.z, &f.chunk_states, &g.dy, &g.du.tensor, &g.dz.tensor});
  bench.add(one, [&](std::size_t turn) {
    s4d_backward(backward[turn % backward.size()], bench.context());
  });
}

struct DiagonalShape {
  std::int64_t b, p, l;
  bool selected = false;
  std::string text() const {
    return fmt::format("b{} p{}c l{}{}", b, p, l, selected ? " sel" : "");
  }
};

DiagonalScanForward diagonal_forward_case(KernelBench& bench, const DiagonalShape& s) {
  const DType t = bench.dtype(), sum = bench.sum_dtype();
  return {.x = bench.random({s.b, s.l, 2 * s.p}, t),
          .delta = s.selected ? bench.random({s.b, s.l, s.p}, t, 1e-3, 0.1)
                              : bench.random({s.p}, sum, 1e-3, 0.1),
          .A_real = bench.random({s.p}, sum, -1, -0.1),
          .A_imag = bench.random({s.p}, sum, 0, s.selected ? 3 : 50),
          .phase = s.selected ? DiagonalPhase::Fixed : DiagonalPhase::Scaled,
          .h = bench.empty({s.b, s.l, 2 * s.p}, t)};
}

DiagonalScanBackward diagonal_backward_case(KernelBench& bench, const DiagonalScanForward& f) {
  diagonal_scan_forward(f, bench.context());  // h
  return {.forward = f,
          .dh = bench.random(f.h.shape(), f.h.dtype()),
          .dx = bench.gradient(f.x),
          .ddelta = bench.gradient(f.delta),
          .dA_real = bench.gradient(f.A_real),
          .dA_imag = bench.gradient(f.A_imag)};
}

void bench_diagonal_scan(KernelBench& bench, const DiagonalShape& s) {
  const std::string forward_name = "diagonal_scan_forward",
                    backward_name = "diagonal_scan_backward";
  if (!bench.wants(forward_name) && !bench.wants(backward_name)) return;
  const auto forward = bench.sets([&] { return diagonal_forward_case(bench, s); });
  const DiagonalScanForward& f = forward.front();
  KernelCase one{.kernel = forward_name,
                 .shape = s.text(),
                 .bytes = bytes_of({&f.x, &f.delta, &f.h}),
                 .work = static_cast<double>(s.b * s.p * s.l),
                 .unit = WorkUnit::StateUpdates};
  bench.add(one, [&](std::size_t turn) {
    diagonal_scan_forward(forward[turn % forward.size()], bench.context());
  });
  if (!bench.wants(backward_name)) return;
  std::vector<DiagonalScanBackward> backward;
  for (const auto& set : forward) backward.push_back(diagonal_backward_case(bench, set));
  const DiagonalScanBackward& g = backward.front();
  one.kernel = backward_name;
  one.bytes = bytes_of({&f.x, &f.h, &g.dh, &g.dx.tensor, &f.delta, &g.ddelta.tensor});
  bench.add(one, [&](std::size_t turn) {
    diagonal_scan_backward(backward[turn % backward.size()], bench.context());
  });
}

void bench_conv(KernelBench& bench, std::int64_t b, std::int64_t d, std::int64_t l) {
  const std::string forward_name = "causal_conv1d_forward",
                    backward_name = "causal_conv1d_backward";
  if (!bench.wants(forward_name) && !bench.wants(backward_name)) return;
  const DType t = bench.dtype(), sum = bench.sum_dtype();
  const std::string shape = fmt::format("b{} d{} l{} w4", b, d, l);
  const auto forward = bench.sets([&] {
    return CausalConv1dForward{.x = bench.random({b, l, d}, t),
                               .weight = bench.random({d, 4}, sum),
                               .bias = bench.random({d}, sum),
                               .y = bench.empty({b, l, d}, t)};
  });
  const CausalConv1dForward& f = forward.front();
  bench.add(
      {.kernel = forward_name, .shape = shape, .bytes = bytes_of({&f.x, &f.weight, &f.bias, &f.y})},
      [&](std::size_t turn) {
        causal_conv1d_forward(forward[turn % forward.size()], bench.context());
      });
  if (!bench.wants(backward_name)) return;
  std::vector<CausalConv1dBackward> backward;
  for (const CausalConv1dForward& set : forward) {
    backward.push_back({.forward = set,
                        .dy = bench.random({b, l, d}, t),
                        .dx = bench.gradient(set.x),
                        .dweight = bench.gradient(set.weight),
                        .dbias = bench.gradient(set.bias)});
  }
  const CausalConv1dBackward& g = backward.front();
  bench.add({.kernel = backward_name,
             .shape = shape,
             .bytes = bytes_of({&f.x, &f.weight, &f.bias, &g.dy, &g.dx.tensor, &g.dweight.tensor,
                                &g.dbias.tensor})},
            [&](std::size_t turn) {
              causal_conv1d_backward(backward[turn % backward.size()], bench.context());
            });
}

/// c (m, n) of k products for each element. Stored as the product needs them, except where the
/// flags say.
struct GemmShape {
  std::string kernel = "gemm";
  std::int64_t m, n, k;
  bool transpose_a = false, transpose_b = true;  // as in y = x weight^T
  bool weight_gradient = false;                  // c goes where gradients are summed
};

void bench_gemm(KernelBench& bench, const GemmShape& s) {
  if (!bench.wants(s.kernel)) return;
  const DType t = bench.dtype();
  const auto sets = bench.sets([&] {
    return Gemm{.a = bench.random(s.transpose_a ? Shape{s.k, s.m} : Shape{s.m, s.k}, t),
                .b = bench.random(s.transpose_b ? Shape{s.n, s.k} : Shape{s.k, s.n}, t),
                .c = bench.empty({s.m, s.n}, s.weight_gradient ? bench.sum_dtype() : t),
                .transpose_a = s.transpose_a,
                .transpose_b = s.transpose_b};
  });
  const Gemm& g = sets.front();
  bench.add({.kernel = s.kernel,
             .shape = fmt::format("m{} n{} k{}", s.m, s.n, s.k),
             .bytes = bytes_of({&g.a, &g.b, &g.c}),
             .work = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n * s.k),
             .unit = WorkUnit::FloatOperations},
            [&](std::size_t turn) { gemm(sets[turn % sets.size()], bench.context()); });
}

/// The three products of a linear layer.
void bench_linear(KernelBench& bench, const std::string& layer, std::int64_t tokens,
                  std::int64_t out, std::int64_t in) {
  const std::string name = "gemm " + layer;
  bench_gemm(bench, {.kernel = name, .m = tokens, .n = out, .k = in});
  bench_gemm(bench, {.kernel = name + " dX", .m = tokens, .n = in, .k = out, .transpose_b = false});
  bench_gemm(bench, {.kernel = name + " dW",
                     .m = out,
                     .n = in,
                     .k = tokens,
                     .transpose_a = true,
                     .transpose_b = false,
                     .weight_gradient = true});
}

void bench_norm(KernelBench& bench, std::int64_t rows, std::int64_t d) {
  const std::string forward_name = "rms_norm_forward", backward_name = "rms_norm_backward";
  if (!bench.wants(forward_name) && !bench.wants(backward_name)) return;
  const DType t = bench.dtype(), sum = bench.sum_dtype();
  const std::string shape = fmt::format("rows{} d{}", rows, d);
  const auto forward = bench.sets([&] {
    return NormForward{.x = bench.random({rows, d}, t),
                       .residual = bench.random({rows, d}, sum),
                       .weight = bench.random({d}, sum),
                       .y = bench.empty({rows, d}, t),
                       .residual_out = bench.empty({rows, d}, sum),
                       .inverse_std = bench.empty({rows}, sum)};
  });
  const NormForward& f = forward.front();
  bench.add(
      {.kernel = forward_name,
       .shape = shape,
       .bytes = bytes_of({&f.x, &f.residual, &f.y, &f.residual_out, &f.inverse_std})},
      [&](std::size_t turn) { norm_forward(forward[turn % forward.size()], bench.context()); });
  if (!bench.wants(backward_name)) return;
  std::vector<NormBackward> backward;
  for (const NormForward& set : forward) {
    norm_forward(set, bench.context());
    NormBackward g{.r = set.residual_out,
                   .weight = set.weight,
                   .inverse_std = set.inverse_std,
                   .dy = bench.random({rows, d}, t),
                   .dx = bench.gradient(set.x),
                   .dweight = bench.gradient(set.weight)};
    if (bench.on_gpu()) g.dresidual_out = bench.random({rows, d}, sum);  // as in a model
    if (t != sum) g.dresidual = bench.gradient(set.residual);
    backward.push_back(g);
  }
  const NormBackward& g = backward.front();
  bench.add(
      {.kernel = backward_name,
       .shape = shape,
       .bytes = bytes_of(
           {&g.r, &g.inverse_std, &g.dy, &g.dresidual_out, &g.dx.tensor, &g.dresidual.tensor})},
      [&](std::size_t turn) { norm_backward(backward[turn % backward.size()], bench.context()); });
}

void bench_cross_entropy(KernelBench& bench, std::int64_t rows, std::int64_t d, std::int64_t v) {
  const std::string forward_name = "linear_cross_entropy_forward",
                    backward_name = "linear_cross_entropy_backward";
  if (!bench.wants(forward_name) && !bench.wants(backward_name)) return;
  const DType t = bench.dtype(), sum = bench.sum_dtype();
  const auto forward = bench.sets([&] {
    return LinearCrossEntropyForward{.x = bench.random({rows, d}, t),
                                     .weight = bench.random({v, d}, t, -0.1, 0.1),
                                     .targets = bench.ids({rows}, v),
                                     .losses = bench.empty({rows}, sum),
                                     .logsumexp = bench.empty({rows}, sum)};
  });
  const LinearCrossEntropyForward& f = forward.front();
  const double product = 2.0 * static_cast<double>(rows) * static_cast<double>(d * v);
  KernelCase one{.kernel = forward_name,
                 .shape = fmt::format("rows{} d{} v{}", rows, d, v),
                 .bytes = bytes_of({&f.x, &f.weight, &f.targets, &f.losses, &f.logsumexp}),
                 .work = product,
                 .unit = WorkUnit::FloatOperations};
  bench.add(one, [&](std::size_t turn) {
    linear_cross_entropy_forward(forward[turn % forward.size()], bench.context());
  });
  if (!bench.wants(backward_name)) return;
  std::vector<LinearCrossEntropyBackward> backward;
  for (const LinearCrossEntropyForward& set : forward) {
    linear_cross_entropy_forward(set, bench.context());
    backward.push_back({.forward = set,
                        .dlosses = bench.random({rows}, sum),
                        .dx = bench.gradient(set.x),
                        .dweight = bench.gradient(set.weight, sum)});
  }
  const LinearCrossEntropyBackward& g = backward.front();
  one.kernel = backward_name;
  one.bytes = bytes_of(
      {&f.x, &f.weight, &f.targets, &f.logsumexp, &g.dlosses, &g.dx.tensor, &g.dweight.tensor});
  one.work = 3 * product;  // the logits again, dx and dweight
  bench.add(one, [&](std::size_t turn) {
    linear_cross_entropy_backward(backward[turn % backward.size()], bench.context());
  });
}

void bench_embedding(KernelBench& bench, std::int64_t tokens, std::int64_t d, std::int64_t v) {
  const std::string forward_name = "embedding_forward", backward_name = "embedding_backward";
  if (!bench.wants(forward_name) && !bench.wants(backward_name)) return;
  const DType t = bench.dtype();
  const std::string shape = fmt::format("rows{} d{} v{}", tokens, d, v);
  const auto forward = bench.sets([&] {
    return EmbeddingForward{.ids = bench.ids({tokens}, v),
                            .table = bench.random({v, d}, t),
                            .y = bench.empty({tokens, d}, t)};
  });
  const EmbeddingForward& f = forward.front();
  // a row is read for every token
  bench.add({.kernel = forward_name, .shape = shape, .bytes = bytes_of({&f.ids, &f.y, &f.y})},
            [&](std::size_t turn) {
              embedding_forward(forward[turn % forward.size()], bench.context());
            });
  if (!bench.wants(backward_name)) return;
  std::vector<EmbeddingBackward> backward;
  for (const EmbeddingForward& set : forward) {
    backward.push_back({.ids = set.ids,
                        .dy = bench.random({tokens, d}, t),
                        .dtable = bench.gradient(set.table, bench.sum_dtype())});
  }
  const EmbeddingBackward& g = backward.front();
  bench.add({.kernel = backward_name,
             .shape = shape,
             .bytes = bytes_of({&g.ids, &g.dy, &g.dtable.tensor})},
            [&](std::size_t turn) {
              embedding_backward(backward[turn % backward.size()], bench.context());
            });
}

void bench_adamw(KernelBench& bench, std::int64_t parameters) {
  if (!bench.wants("adamw")) return;
  const DType sum = bench.sum_dtype();
  const Device device = bench.context().device;
  const auto sets = bench.sets([&] {
    AdamW a{.param = bench.random({parameters}, sum),
            .m = bench.random({parameters}, sum, -0.1, 0.1),
            .v = bench.random({parameters}, sum, 0, 0.1),
            .grad = bench.random({parameters}, sum),
            .learning_rate = Tensor::from<float>({1}, {1e-3f}).to(device),
            .grad_scale = Tensor::from<float>({1}, {1.0f}).to(device),
            .step = Tensor::from<std::int64_t>({1}, {1}).to(device)};
    if (bench.dtype() == DType::BF16) a.compute = bench.empty({parameters}, DType::BF16);
    return a;
  });
  const AdamW& a = sets.front();
  // param, m and v are read and written
  bench.add({.kernel = "adamw",
             .shape = fmt::format("{} parameters", parameters),
             .bytes = bytes_of({&a.param, &a.param, &a.m, &a.m, &a.v, &a.v, &a.grad, &a.compute})},
            [&](std::size_t turn) { adamw(sets[turn % sets.size()], bench.context()); });
}

void bench_l2_norm(KernelBench& bench, std::int64_t elements) {
  if (!bench.wants("l2_norm")) return;
  const auto sets = bench.sets([&] {
    return L2Norm{.x = bench.random({elements}, bench.sum_dtype()),
                  .norm = bench.empty({1}, bench.sum_dtype())};
  });
  bench.add({.kernel = "l2_norm",
             .shape = fmt::format("{} elements", elements),
             .bytes = bytes_of({&sets.front().x})},
            [&](std::size_t turn) { l2_norm(sets[turn % sets.size()], bench.context()); });
}

/// The copy of kernels/copy.h beside the ceiling.
void bench_copy(KernelBench& bench, std::int64_t elements) {
  if (!bench.wants("copy")) return;
  const auto sets = bench.sets([&] {
    return Copy{.x = bench.random({elements}, bench.dtype()),
                .y = bench.empty({elements}, bench.dtype())};
  });
  bench.add({.kernel = "copy",
             .shape = fmt::format("{} elements", elements),
             .bytes = bytes_of({&sets.front().x, &sets.front().y})},
            [&](std::size_t turn) { copy(sets[turn % sets.size()], bench.context()); });
}

constexpr std::int64_t kTokens = 65536, kVocabulary = 50280, kParameters130m = 129135360;

void add_cuda_layers(KernelBench& bench) {
  constexpr std::int64_t kWidth = 768, kInner = 1536, kRank = 48, kStates = 16;
  struct Layer {
    const char* name;
    std::int64_t out, in;
  };
  for (const Layer& layer :
       {Layer{"in_proj", 2 * kInner, kWidth}, Layer{"x_proj", kRank + 2 * kStates, kInner},
        Layer{"dt_proj", kInner, kRank}, Layer{"out_proj", kWidth, kInner}}) {
    bench_linear(bench, layer.name, kTokens, layer.out, layer.in);
    bench.trim();
  }
  bench_gemm(bench, {.m = 8192, .n = 8192, .k = 8192});
  bench.trim();
}

}  // namespace

void add_cpu_cases(KernelBench& bench) {
  for (const ScanShape& s :
       {ScanShape{8, 512, 16, 512}, ScanShape{8, 1536, 16, 2048}, ScanShape{1, 1536, 16, 16384},
        ScanShape{1, 64, 16, 16384}, ScanShape{8, 512, 64, 512}}) {
    bench_scan(bench, s);
  }
  for (const S4dShape& s : {S4dShape{8, 512, 16, 512, false}, S4dShape{8, 1536, 16, 2048, false},
                            S4dShape{8, 512, 32, 512, true}, S4dShape{1, 64, 16, 16384, false}}) {
    bench_s4d(bench, s);
  }
  bench_diagonal_scan(bench, {.b = 8, .p = 256, .l = 1024});
  bench_diagonal_scan(bench, {.b = 8, .p = 256, .l = 1024, .selected = true});
  bench_conv(bench, 8, 512, 512);
  bench_conv(bench, 8, 1536, 2048);
  bench_gemm(bench, {.m = 4096, .n = 1024, .k = 256});
  bench_gemm(bench, {.m = 4096, .n = 3072, .k = 768});
  bench_norm(bench, 16384, 768);
  bench_cross_entropy(bench, 4096, 256, 256);
  bench_cross_entropy(bench, 512, 768, kVocabulary);
  bench_adamw(bench, 16 << 20);
}

void add_cuda_cases(KernelBench& bench) {
  for (const ScanShape& s : {ScanShape{8, 1536, 16, 2048}, ScanShape{8, 4096, 16, 2048},
                             ScanShape{1, 1536, 16, 16384}, ScanShape{1, 1536, 16, 131072},
                             ScanShape{64, 512, 16, 1024}, ScanShape{8, 1536, 64, 2048}}) {
    bench_scan(bench, s);
    bench.trim();
  }
  // lengths that no tile divides
  for (const std::int64_t length : {2047, 5000}) {
    bench_scan(bench, {8, 1536, 16, length}, 2048);
    bench.trim();
  }
  for (const S4dShape& s :
       {S4dShape{8, 1536, 16, 2048, false}, S4dShape{8, 1536, 32, 2048, true},
        S4dShape{1, 1536, 16, 131072, false}, S4dShape{1, 1536, 32, 131072, true}}) {
    bench_s4d(bench, s);
    bench.trim();
  }
  for (const DiagonalShape& s : {DiagonalShape{64, 256, 1024}, DiagonalShape{64, 256, 1024, true},
                                 DiagonalShape{8, 512, 16384}, DiagonalShape{1, 256, 1 << 20}}) {
    bench_diagonal_scan(bench, s);
    bench.trim();
  }
  bench_conv(bench, 8, 1536, 2048);
  bench_conv(bench, 8, 4096, 2048);
  bench.trim();
  add_cuda_layers(bench);
  bench_norm(bench, kTokens, 768);
  bench.trim();
  bench_cross_entropy(bench, 16384, 768, kVocabulary);
  bench.trim();
  bench_embedding(bench, kTokens, 768, kVocabulary);
  bench.trim();
  bench_adamw(bench, kParameters130m);
  bench.trim();
  bench_l2_norm(bench, kParameters130m);
  bench_copy(bench, std::int64_t{1} << 28);
}

}  // namespace krait
