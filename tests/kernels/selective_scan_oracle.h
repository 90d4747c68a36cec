// Random scan problems, the recurrence written as a plain loop, and the kernel under test. The loop
// is the second oracle beside the golden files.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/selective_scan.h"
#include "tests/kernels/kernel_arrays.h"

namespace krait::scan_test {

using namespace kernel_test;

inline const Activations kActivations = {"u",  "delta",  "B",  "C",  "z",  "dy",
                                         "du", "ddelta", "dB", "dC", "dz", "y"};

/// Sizes and optional parts of a problem.
struct Case {
  std::int64_t b = 1, l = 1, d = 1, n = 1, g = 1;
  bool D = true, z = true, bias = true, softplus = true;
  bool initial = false, dfinal = false;
  std::int64_t documents = 1;  // > 1: sequence ids, cut at random places
  std::uint64_t seed = 1;
};

inline std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "b" << c.b << " l" << c.l << " d" << c.d << " n" << c.n << " g" << c.g << " D"
             << c.D << " z" << c.z << " bias" << c.bias << " softplus" << c.softplus << " initial"
             << c.initial << " dfinal" << c.dfinal << " documents" << c.documents;
}

/// Inputs and cotangents. A spans slow and fast states; dt lies around 0.1.
inline Arrays random_inputs(const Case& c) {
  Arrays in;
  const auto add = [&](const char* name, std::int64_t count) -> std::vector<double>& {
    return in[name] = normals(count, name, c.seed);
  };
  const std::int64_t rows = c.b * c.l;
  add("u", rows * c.d);
  for (double& x : add("delta", rows * c.d))
    x = static_cast<float>(c.softplus ? x : 0.1 * std::abs(x));
  for (double& x : add("A", c.d * c.n)) x = static_cast<float>(-std::exp(1.5 * x));
  add("B", rows * c.g * c.n);
  add("C", rows * c.g * c.n);
  if (c.D) add("D", c.d);
  if (c.z) add("z", rows * c.d);
  if (c.bias) {
    for (double& x : add("delta_bias", c.d)) x = static_cast<float>(c.softplus ? x - 2 : 0.05);
  }
  if (c.initial) add("initial_state", c.b * c.d * c.n);
  add("dy", rows * c.d);
  if (c.dfinal) add("dfinal_state", c.b * c.d * c.n);
  if (c.documents > 1) in["sequence_ids"] = random_ids(c.b, c.l, c.documents, c.seed);
  return in;
}

/// Outputs and gradients by the plain loop, every operation in T.
template <class T>
Arrays naive_scan(const Case& c, const Arrays& in) {
  const auto get = [&](const char* name) { return values_or_empty<T>(in, name); };
  const auto u = get("u"), delta = get("delta"), A = get("A"), B = get("B"), C = get("C"),
             D = get("D"), z = get("z"), bias = get("delta_bias"), initial = get("initial_state"),
             dy = get("dy"), dfinal = get("dfinal_state"), ids = get("sequence_ids");
  const auto zeros = [](std::int64_t count) {
    return std::vector<T>(static_cast<std::size_t>(count));
  };
  const std::int64_t rows = c.b * c.l, states = c.b * c.d * c.n;
  auto y = zeros(rows * c.d), final_state = zeros(states), du = y, ddelta = y, dz = y;
  auto dA = zeros(c.d * c.n), dB = zeros(rows * c.g * c.n), dC = dB, dD = zeros(c.d), dbias = dD,
       dinitial = zeros(states);
  auto h = zeros((c.l + 1) * c.n), dh = zeros(c.n);
  for (std::int64_t b = 0; b < c.b; ++b) {
    for (std::int64_t ch = 0; ch < c.d; ++ch) {
      const std::int64_t group = ch / (c.d / c.g), first = (b * c.d + ch) * c.n;
      const auto at = [&](std::int64_t t) { return (b * c.l + t) * c.d + ch; };
      const auto x_of = [&](std::int64_t t) {
        return delta[at(t)] + (bias.empty() ? T(0) : bias[ch]);
      };
      const auto dt_of = [&](std::int64_t t) {
        const T x = x_of(t);
        return c.softplus && x <= T(20) ? std::log1p(std::exp(x)) : x;
      };
      const auto reset = [&](std::int64_t t) {
        return !ids.empty() && t > 0 && ids[b * c.l + t] != ids[b * c.l + t - 1];
      };
      for (std::int64_t n = 0; n < c.n; ++n) h[n] = initial.empty() ? T(0) : initial[first + n];
      for (std::int64_t t = 0; t < c.l; ++t) {
        const T dt = dt_of(t), gate = z.empty() ? T(1) : z[at(t)] / (T(1) + std::exp(-z[at(t)]));
        T sum = 0;
        for (std::int64_t n = 0; n < c.n; ++n) {
          const std::int64_t bn = ((b * c.l + t) * c.g + group) * c.n + n;
          const T before = reset(t) ? T(0) : h[t * c.n + n];
          h[(t + 1) * c.n + n] = std::exp(dt * A[ch * c.n + n]) * before + dt * B[bn] * u[at(t)];
          sum += C[bn] * h[(t + 1) * c.n + n];
        }
        if (!D.empty()) sum += D[ch] * u[at(t)];
        y[at(t)] = sum * gate;
      }
      for (std::int64_t n = 0; n < c.n; ++n) {
        final_state[first + n] = h[c.l * c.n + n];
        dh[n] = dfinal.empty() ? T(0) : dfinal[first + n];
      }
      for (std::int64_t t = c.l - 1; t >= 0; --t) {
        const T dt = dt_of(t), x = x_of(t);
        T ds = dy[at(t)], sum = D.empty() ? T(0) : D[ch] * u[at(t)], ddt = 0, ddtu = 0;
        const T s = z.empty() ? T(0) : T(1) / (T(1) + std::exp(-z[at(t)]));
        if (!z.empty()) ds *= z[at(t)] * s;
        for (std::int64_t n = 0; n < c.n; ++n) {
          const std::int64_t bn = ((b * c.l + t) * c.g + group) * c.n + n;
          const T before = reset(t) ? T(0) : h[t * c.n + n];
          const T decay = reset(t) ? T(0) : std::exp(dt * A[ch * c.n + n]);
          sum += C[bn] * h[(t + 1) * c.n + n];
          dC[bn] += ds * h[(t + 1) * c.n + n];
          dh[n] += C[bn] * ds;
          dB[bn] += dh[n] * dt * u[at(t)];
          ddtu += dh[n] * B[bn];
          ddt += dh[n] * decay * before * A[ch * c.n + n];
          dA[ch * c.n + n] += dh[n] * decay * before * dt;
          dh[n] *= decay;
        }
        du[at(t)] = ddtu * dt + (D.empty() ? T(0) : D[ch] * ds);
        ddelta[at(t)] = ddt + ddtu * u[at(t)];
        if (c.softplus && x <= T(20)) ddelta[at(t)] /= T(1) + std::exp(-x);
        if (!z.empty()) dz[at(t)] = dy[at(t)] * sum * s * (T(1) + z[at(t)] * (T(1) - s));
        dD[ch] += ds * u[at(t)];
        dbias[ch] += ddelta[at(t)];
      }
      for (std::int64_t n = 0; n < c.n; ++n) dinitial[first + n] = dh[n];
    }
  }
  Arrays out;
  const auto put = [&](const char* name, const std::vector<T>& v) {
    out[name].assign(v.begin(), v.end());
  };
  put("y", y), put("final_state", final_state), put("du", du), put("ddelta", ddelta), put("dA", dA);
  put("dB", dB), put("dC", dC);
  if (c.D) put("dD", dD);
  if (c.z) put("dz", dz);
  if (c.bias) put("ddelta_bias", dbias);
  if (c.initial) put("dinitial_state", dinitial);
  return out;
}

/// Outputs and gradients by the kernels, called with `t`.
inline Arrays kernel_scan(DType t, const Case& c, const Arrays& in, const Call& call = {}) {
  const Shape rows{c.b, c.l, c.d}, groups{c.b, c.l, c.g, c.n}, channels{c.d}, states{c.b, c.d, c.n};
  const auto array = [&](const char* name, const Shape& shape, const std::vector<double>& values,
                         Layout layout = Layout::Contiguous) {
    return make_tensor(shape, dtype_of_array(name, kActivations, t), values, layout);
  };
  const auto input = [&](const char* name, const Shape& shape, Layout layout = Layout::Contiguous) {
    const auto it = in.find(name);
    return it == in.end() ? Tensor() : array(name, shape, it->second, layout);
  };
  SelectiveScanForward f{.u = input("u", rows, call.rows),
                         .delta = input("delta", rows, call.rows),
                         .A = input("A", {c.d, c.n}),
                         .B = input("B", groups, call.rows),
                         .C = input("C", groups, call.rows),
                         .D = input("D", channels),
                         .z = input("z", rows, call.rows),
                         .delta_bias = input("delta_bias", channels),
                         .initial_state = input("initial_state", states),
                         .sequence_ids = ids_tensor(in, c.b, c.l),
                         .delta_softplus = c.softplus,
                         .y = array("y", rows, {}, call.rows),
                         .final_state = array("final_state", states, {})};
  if (call.chunk_states) {
    const std::int64_t chunk = selective_scan_chunk(testing::test_device());
    f.chunk_states = array("chunk_states", {c.b, (c.l + chunk - 1) / chunk, c.d, c.n}, {});
  }
  const ExecutionContext ctx;
  selective_scan_forward(f, ctx);
  Arrays out;
  out["y"] = values_of(f.y);
  out["final_state"] = values_of(f.final_state);

  SelectiveScanBackward g{.forward = f,
                          .dy = input("dy", rows, call.rows),
                          .dfinal_state = input("dfinal_state", states)};
  WantedGradients gradients(call.mode);
  gradients.want("du", g.du, f.u, call.rows);
  gradients.want("ddelta", g.ddelta, f.delta, call.rows);
  gradients.want("dA", g.dA, f.A, Layout::Contiguous);
  gradients.want("dB", g.dB, f.B, call.rows);
  gradients.want("dC", g.dC, f.C, call.rows);
  gradients.want("dD", g.dD, f.D, Layout::Contiguous);
  gradients.want("dz", g.dz, f.z, call.rows);
  gradients.want("ddelta_bias", g.ddelta_bias, f.delta_bias, Layout::Contiguous);
  gradients.want("dinitial_state", g.dinitial_state, f.initial_state, Layout::Contiguous);
  selective_scan_backward(g, ctx);
  gradients.read(&out);
  return out;
}

}  // namespace krait::scan_test
