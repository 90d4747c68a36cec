// Random convolution problems, the formulas written as plain loops, and the kernel under test.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/causal_conv1d.h"
#include "tests/kernels/kernel_arrays.h"

namespace krait::conv_test {

using namespace kernel_test;

inline const Activations kActivations = {"x",           "dy", "initial_state", "dfinal_state", "y",
                                         "final_state", "dx", "dinitial_state"};

/// Sizes and optional parts of a problem.
struct Case {
  std::int64_t b = 1, l = 1, d = 1, w = 4;
  bool bias = true, silu = true, initial = false, dfinal = false;
  std::int64_t documents = 1;  // > 1: sequence ids
  std::uint64_t seed = 1;
};

inline std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "b" << c.b << " l" << c.l << " d" << c.d << " w" << c.w << " bias" << c.bias
             << " silu" << c.silu << " initial" << c.initial << " dfinal" << c.dfinal
             << " documents" << c.documents;
}

inline Arrays random_inputs(const Case& c) {
  Arrays in;
  const auto add = [&](const char* name, std::int64_t count) {
    in[name] = normals(count, name, c.seed);
  };
  add("x", c.b * c.l * c.d);
  add("weight", c.d * c.w);
  if (c.bias) add("bias", c.d);
  if (c.initial) add("initial_state", c.b * (c.w - 1) * c.d);
  add("dy", c.b * c.l * c.d);
  if (c.dfinal) add("dfinal_state", c.b * (c.w - 1) * c.d);
  if (c.documents > 1) in["sequence_ids"] = random_ids(c.b, c.l, c.documents, c.seed);
  return in;
}

/// The formulas of the contract as loops over the extended input (initial state, then x).
template <class T>
Arrays naive_conv(const Case& c, const Arrays& in) {
  const auto get = [&](const char* name) { return values_or_empty<T>(in, name); };
  const auto x = get("x"), weight = get("weight"), bias = get("bias"),
             initial = get("initial_state"), dy = get("dy"), dfinal = get("dfinal_state"),
             ids = get("sequence_ids");
  std::vector<T> y(x.size()), dx(x.size()), dweight(weight.size()),
      dbias(static_cast<std::size_t>(c.d)),
      final_state(static_cast<std::size_t>(c.b * (c.w - 1) * c.d)), dinitial(final_state.size());
  const std::int64_t before = c.w - 1;
  for (std::int64_t b = 0; b < c.b; ++b) {
    const auto id = [&](std::int64_t p) {
      return ids.empty() ? T(0) : ids[b * c.l + std::max<std::int64_t>(p, 0)];
    };
    for (std::int64_t ch = 0; ch < c.d; ++ch) {
      const auto at = [&](std::int64_t t) { return (b * c.l + t) * c.d + ch; };
      const auto state_at = [&](std::int64_t j) { return (b * before + j) * c.d + ch; };
      const auto read = [&](std::int64_t p, std::int64_t t) {
        if (id(p) != id(t)) return T(0);
        return p >= 0 ? x[at(p)] : initial.empty() ? T(0) : initial[state_at(p + before)];
      };
      const auto add_gradient = [&](std::int64_t p, std::int64_t t, T g) {
        if (id(p) == id(t)) (p >= 0 ? dx[at(p)] : dinitial[state_at(p + before)]) += g;
      };
      for (std::int64_t t = 0; t < c.l; ++t) {
        T s = bias.empty() ? T(0) : bias[ch];
        for (std::int64_t k = 0; k < c.w; ++k) s += weight[ch * c.w + k] * read(t - before + k, t);
        const T g = T(1) / (T(1) + std::exp(-s));
        y[at(t)] = c.silu ? s * g : s;
        const T ds = c.silu ? dy[at(t)] * g * (T(1) + s * (T(1) - g)) : dy[at(t)];
        dbias[ch] += ds;
        for (std::int64_t k = 0; k < c.w; ++k) {
          dweight[ch * c.w + k] += ds * read(t - before + k, t);
          add_gradient(t - before + k, t, ds * weight[ch * c.w + k]);
        }
      }
      for (std::int64_t j = 0; j < before; ++j) {
        final_state[state_at(j)] = read(c.l - before + j, c.l - 1);
        if (!dfinal.empty()) add_gradient(c.l - before + j, c.l - 1, dfinal[state_at(j)]);
      }
    }
  }
  Arrays out;
  const auto put = [&](const char* name, const std::vector<T>& v) {
    out[name].assign(v.begin(), v.end());
  };
  put("y", y), put("final_state", final_state), put("dx", dx), put("dweight", dweight);
  if (c.bias) put("dbias", dbias);
  if (c.initial) put("dinitial_state", dinitial);
  return out;
}

/// Outputs and gradients by the kernels, called with `t`.
inline Arrays kernel_conv(DType t, const Case& c, const Arrays& in, const Call& call = {}) {
  const Shape rows{c.b, c.l, c.d}, state{c.b, c.w - 1, c.d};
  const auto array = [&](const char* name, const Shape& shape, const std::vector<double>& values,
                         Layout layout = Layout::Contiguous) {
    return make_tensor(shape, dtype_of_array(name, kActivations, t), values, layout);
  };
  const auto input = [&](const char* name, const Shape& shape, Layout layout = Layout::Contiguous) {
    const auto it = in.find(name);
    return it == in.end() ? Tensor() : array(name, shape, it->second, layout);
  };
  CausalConv1dForward f{.x = input("x", rows, call.rows),
                        .weight = input("weight", {c.d, c.w}),
                        .bias = input("bias", {c.d}),
                        .initial_state = input("initial_state", state),
                        .sequence_ids = ids_tensor(in, c.b, c.l),
                        .silu = c.silu,
                        .y = array("y", rows, {}, call.rows),
                        .final_state = array("final_state", state, {})};
  const ExecutionContext ctx;
  causal_conv1d_forward(f, ctx);
  Arrays out;
  out["y"] = values_of(f.y);
  out["final_state"] = values_of(f.final_state);
  CausalConv1dBackward g{.forward = f,
                         .dy = input("dy", rows, call.rows),
                         .dfinal_state = input("dfinal_state", state)};
  WantedGradients gradients(call.mode);
  gradients.want("dx", g.dx, f.x, call.rows);
  gradients.want("dweight", g.dweight, f.weight, Layout::Contiguous);
  gradients.want("dbias", g.dbias, f.bias, Layout::Contiguous);
  gradients.want("dinitial_state", g.dinitial_state, f.initial_state, Layout::Contiguous);
  causal_conv1d_backward(g, ctx);
  gradients.read(&out);
  return out;
}

}  // namespace krait::conv_test
