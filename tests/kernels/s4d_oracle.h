// Random S4D problems, their recurrence written as a plain loop, the same as a convolution, and the
// kernel under test.
#pragma once
#include <cmath>
#include <complex>
#include <cstdint>
#include <vector>

#include "kernels/s4d.h"
#include "tests/kernels/kernel_arrays.h"

namespace krait::s4d_test {

using namespace kernel_test;

inline const Activations kActivations = {"u", "z", "dy", "du", "dz", "y"};

/// Sizes and optional parts of a problem.
struct Case {
  std::int64_t b = 1, l = 1, d = 1, n = 1;
  bool complex = true, D = true, z = true;
  bool initial = false, dfinal = false;
  std::int64_t documents = 1;  // > 1: sequence ids, cut at random places
  double dt = 0.1;             // around which dt lies
  std::uint64_t seed = 1;
  std::int64_t parts() const { return complex ? 2 : 1; }
};

inline std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "b" << c.b << " l" << c.l << " d" << c.d << " n" << c.n << " complex" << c.complex
             << " D" << c.D << " z" << c.z << " initial" << c.initial << " dfinal" << c.dfinal
             << " documents" << c.documents << " dt" << c.dt;
}

/// Inputs and cotangents. States remember some ten to a few hundred positions at dt = 0.1.
inline Arrays random_inputs(const Case& c) {
  Arrays in;
  const auto add = [&](const char* name, std::int64_t count) -> std::vector<double>& {
    return in[name] = normals(count, name, c.seed);
  };
  const std::int64_t rows = c.b * c.l * c.d, modes = c.d * c.n;
  add("u", rows);
  for (double& x : add("dt", c.d)) x = static_cast<float>(c.dt * std::exp(0.5 * x));
  for (double& x : add("A_real", modes)) x = static_cast<float>(-std::exp(0.7 * x));
  add("C_real", modes);
  if (c.complex) {
    for (double& x : add("A_imag", modes)) x = static_cast<float>(4 * x);
    add("C_imag", modes);
  }
  if (c.D) add("D", c.d);
  if (c.z) add("z", rows);
  if (c.initial) add("initial_state", c.b * modes * c.parts());
  add("dy", rows);
  if (c.dfinal) add("dfinal_state", c.b * modes * c.parts());
  if (c.documents > 1) in["sequence_ids"] = random_ids(c.b, c.l, c.documents, c.seed);
  return in;
}

/// The recurrence and its gradients as plain loops, every operation in T, the parameters' too.
template <class T>
class NaiveS4d {
  using Number = std::complex<T>;

 public:
  NaiveS4d(const Case& c, const Arrays& in)
      : c_(c),
        u_(in, "u"),
        z_(in, "z"),
        dt_(in, "dt"),
        A_real_(in, "A_real"),
        A_imag_(in, "A_imag"),
        C_real_(in, "C_real"),
        C_imag_(in, "C_imag"),
        D_(in, "D"),
        initial_(in, "initial_state"),
        dy_(in, "dy"),
        dfinal_(in, "dfinal_state"),
        ids_(in, "sequence_ids") {
    for (auto* rows : {&y_, &du_, &dz_}) rows->resize(size(c.b * c.l * c.d));
    for (auto* states : {&final_, &dinitial_}) states->resize(size(c.b * c.d * c.n * c.parts()));
    for (auto* modes : {&dA_real_, &dA_imag_, &dC_real_, &dC_imag_}) modes->resize(size(c.d * c.n));
    for (auto* channels : {&ddt_, &dD_}) channels->resize(size(c.d));
    for (std::int64_t b = 0; b < c.b; ++b) {
      for (std::int64_t channel = 0; channel < c.d; ++channel) run_channel(b, channel);
    }
  }
  /// The results that a kernel gives too.
  Arrays results() const {
    Arrays out;
    const auto put = [&](const char* name, const std::vector<T>& v, bool wanted = true) {
      if (wanted) out[name].assign(v.begin(), v.end());
    };
    put("y", y_), put("final_state", final_), put("du", du_), put("ddt", ddt_);
    put("dA_real", dA_real_), put("dC_real", dC_real_);
    put("dA_imag", dA_imag_, c_.complex), put("dC_imag", dC_imag_, c_.complex);
    put("dD", dD_, c_.D), put("dz", dz_, c_.z), put("dinitial_state", dinitial_, c_.initial);
    return out;
  }

 private:
  /// An array, of zeros if it is not given.
  struct Input {
    std::vector<T> values;
    Input(const Arrays& in, const char* name) : values(values_or_empty<T>(in, name)) {}
    T operator[](std::int64_t i) const { return values.empty() ? T(0) : values[size(i)]; }
  };
  static std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }
  Number state(const Input& states, std::int64_t i) const {
    return c_.complex ? Number{states[2 * i], states[2 * i + 1]} : Number{states[i]};
  }
  void put_state(std::vector<T>& states, std::int64_t i, Number value) const {
    states[size(i * c_.parts())] = value.real();
    if (c_.complex) states[size(2 * i + 1)] = value.imag();
  }
  bool resets(std::int64_t b, std::int64_t t) const {
    return t > 0 && ids_[b * c_.l + t] != ids_[b * c_.l + t - 1];
  }

  void run_channel(std::int64_t b, std::int64_t channel) {
    const auto at = [&](std::int64_t t) { return size((b * c_.l + t) * c_.d + channel); };
    std::vector<T> u(size(c_.l)), ds(u), s(u), gate(u);
    for (std::int64_t t = 0; t < c_.l; ++t) {
      u[t] = u_[at(t)];
      gate[t] = T(1) / (T(1) + std::exp(-z_[at(t)]));
      ds[t] = c_.z ? dy_[at(t)] * z_[at(t)] * gate[t] : dy_[at(t)];
      s[t] = D_[channel] * u[t];
      du_[at(t)] = D_[channel] * ds[t];
      dD_[channel] += ds[t] * u[t];
    }
    for (std::int64_t n = 0; n < c_.n; ++n) run_mode(b, channel, n, u, ds, s);
    for (std::int64_t t = 0; t < c_.l; ++t) {
      const T z = z_[at(t)];
      y_[at(t)] = c_.z ? s[t] * z * gate[t] : s[t];
      dz_[at(t)] = dy_[at(t)] * s[t] * gate[t] * (T(1) + z * (T(1) - gate[t]));
    }
  }

  void run_mode(std::int64_t b, std::int64_t channel, std::int64_t n, const std::vector<T>& u,
                const std::vector<T>& ds, std::vector<T>& s) {
    const std::int64_t i = channel * c_.n + n, entry = (b * c_.d + channel) * c_.n + n;
    const Number A{A_real_[i], A_imag_[i]}, C{C_real_[i], C_imag_[i]};
    const T dt = dt_[channel], weight = c_.complex ? T(2) : T(1);
    const Number a = std::exp(dt * A), factor = (a - T(1)) / A, K = weight * C * factor;
    std::vector<Number> h(size(c_.l + 1));
    h[0] = state(initial_, entry);
    for (std::int64_t t = 0; t < c_.l; ++t) {
      h[t + 1] = a * (resets(b, t) ? Number() : h[t]) + u[t];
      s[t] += (K * h[t + 1]).real();
    }
    put_state(final_, entry, h[c_.l]);
    Number g = state(dfinal_, entry), da, dK;
    for (std::int64_t t = c_.l - 1; t >= 0; --t) {
      g += std::conj(K) * ds[t];
      du_[size((b * c_.l + t) * c_.d + channel)] += g.real();
      dK += std::conj(h[t + 1]) * ds[t];
      if (!resets(b, t)) da += std::conj(h[t]) * g;
      g = resets(b, t) ? Number() : std::conj(a) * g;
    }
    put_state(dinitial_, entry, g);
    const Number dC = std::conj(weight * factor) * dK, dfactor = std::conj(weight * C) * dK;
    const Number dA = std::conj(dt * a) * da + std::conj((dt * a - factor) / A) * dfactor;
    ddt_[channel] += (std::conj(a) * (std::conj(A) * da + dfactor)).real();
    dA_real_[i] += dA.real(), dA_imag_[i] += dA.imag();
    dC_real_[i] += dC.real(), dC_imag_[i] += dC.imag();
  }

  const Case& c_;
  const Input u_, z_, dt_, A_real_, A_imag_, C_real_, C_imag_, D_, initial_, dy_, dfinal_, ids_;
  std::vector<T> y_, final_, du_, ddt_, dA_real_, dA_imag_, dC_real_, dC_imag_, dD_, dz_, dinitial_;
};

/// Outputs and gradients by the plain loop.
template <class T>
Arrays naive_s4d(const Case& c, const Arrays& in) {
  return NaiveS4d<T>(c, in).results();
}

/// y as the causal convolution of u with the kernel K_l = weight Re(sum_n C a^l (a - 1) / A), in
/// f64. One document, no initial state.
inline std::vector<double> convolution(const Case& c, const Arrays& in) {
  using Number = std::complex<double>;
  const auto get = [&](const char* name, std::int64_t i) {
    return in.contains(name) ? in.at(name)[static_cast<std::size_t>(i)] : 0.0;
  };
  std::vector<double> y(static_cast<std::size_t>(c.b * c.l * c.d));
  for (std::int64_t channel = 0; channel < c.d; ++channel) {
    std::vector<double> kernel(static_cast<std::size_t>(c.l));
    for (std::int64_t n = 0; n < c.n; ++n) {
      const std::int64_t i = channel * c.n + n;
      const Number A{get("A_real", i), get("A_imag", i)}, C{get("C_real", i), get("C_imag", i)};
      const double dt = get("dt", channel);
      for (std::int64_t l = 0; l < c.l; ++l) {
        kernel[l] +=
            (c.complex ? 2 : 1) *
            (C * std::exp(static_cast<double>(l) * dt * A) * (std::exp(dt * A) - 1.0) / A).real();
      }
    }
    for (std::int64_t b = 0; b < c.b; ++b) {
      const auto at = [&](std::int64_t t) { return (b * c.l + t) * c.d + channel; };
      for (std::int64_t t = 0; t < c.l; ++t) {
        double sum = get("D", channel) * get("u", at(t));
        for (std::int64_t l = 0; l <= t; ++l) sum += kernel[l] * get("u", at(t - l));
        y[at(t)] = c.z ? sum * get("z", at(t)) / (1 + std::exp(-get("z", at(t)))) : sum;
      }
    }
  }
  return y;
}

/// Outputs and gradients by the kernels, called with `t`.
inline Arrays kernel_s4d(DType t, const Case& c, const Arrays& in, const Call& call = {}) {
  const Shape rows{c.b, c.l, c.d}, channels{c.d}, modes{c.d, c.n};
  const auto of_modes = [&](Shape shape) {
    if (c.complex) shape.push_back(2);
    return shape;
  };
  const Shape states = of_modes({c.b, c.d, c.n});
  const auto array = [&](const char* name, const Shape& shape, const std::vector<double>& values,
                         Layout layout = Layout::Contiguous) {
    return make_tensor(shape, dtype_of_array(name, kActivations, t), values, layout);
  };
  const auto input = [&](const char* name, const Shape& shape, Layout layout = Layout::Contiguous) {
    const auto it = in.find(name);
    return it == in.end() ? Tensor() : array(name, shape, it->second, layout);
  };
  S4dForward f{.u = input("u", rows, call.rows),
               .dt = input("dt", channels),
               .A_real = input("A_real", modes),
               .A_imag = input("A_imag", modes),
               .C_real = input("C_real", modes),
               .C_imag = input("C_imag", modes),
               .D = input("D", channels),
               .z = input("z", rows, call.rows),
               .initial_state = input("initial_state", states),
               .sequence_ids = ids_tensor(in, c.b, c.l),
               .y = array("y", rows, {}, call.rows),
               .final_state = array("final_state", states, {})};
  if (call.chunk_states) {
    const std::int64_t chunk = s4d_chunk(testing::test_device());
    f.chunk_states =
        array("chunk_states", of_modes({c.b, (c.l + chunk - 1) / chunk, c.d, c.n}), {});
  }
  const ExecutionContext ctx;
  s4d_forward(f, ctx);
  Arrays out;
  out["y"] = values_of(f.y);
  out["final_state"] = values_of(f.final_state);

  S4dBackward g{.forward = f,
                .dy = input("dy", rows, call.rows),
                .dfinal_state = input("dfinal_state", states)};
  WantedGradients gradients(call.mode);
  gradients.want("du", g.du, f.u, call.rows);
  gradients.want("ddt", g.ddt, f.dt, Layout::Contiguous);
  gradients.want("dA_real", g.dA_real, f.A_real, Layout::Contiguous);
  gradients.want("dA_imag", g.dA_imag, f.A_imag, Layout::Contiguous);
  gradients.want("dC_real", g.dC_real, f.C_real, Layout::Contiguous);
  gradients.want("dC_imag", g.dC_imag, f.C_imag, Layout::Contiguous);
  gradients.want("dD", g.dD, f.D, Layout::Contiguous);
  gradients.want("dz", g.dz, f.z, call.rows);
  gradients.want("dinitial_state", g.dinitial_state, f.initial_state, Layout::Contiguous);
  s4d_backward(g, ctx);
  gradients.read(&out);
  return out;
}

}  // namespace krait::s4d_test
