// Against a loop in f64 over the formula of the header, forward and backward, with the loop's own
// reverse walk; chunks, directions, resets, strides and modes on top.
#include "kernels/diagonal_scan.h"

#include <complex>
#include <map>
#include <string>

#include "kernels/copy.h"
#include "tests/support/tensors.h"

namespace krait {
namespace {

using namespace testing;
using Complex = std::complex<double>;
using Arrays = std::map<std::string, std::vector<double>>;

struct Case {
  std::int64_t batch = 2, length = 70, states = 5;
  bool selected = false, scaled = true, reverse = false, initial = true, ids = true;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "b " << c.batch << " l " << c.length << " p " << c.states
             << (c.selected ? " selected" : " fixed") << (c.scaled ? " scaled" : " phase fixed")
             << (c.reverse ? " reverse" : "") << (c.initial ? " initial" : "")
             << (c.ids ? " ids" : "");
}

struct Inputs {
  Tensor x, delta, A_real, A_imag, initial, ids, dh, dfinal;
};

/// Values of a trained layer: delta 1e-3 to 0.3, decays down to -20, up to a turn per position.
Inputs make_inputs(const Case& c, DType dtype) {
  const DType wide = accumulate_dtype(dtype);
  const std::int64_t b = c.batch, l = c.length, p = c.states;
  const auto mapped = [](const Tensor& t, const std::function<double(double)>& f) {
    const Tensor host = t.to({});
    for_each_offset(host, [&](std::int64_t o) { write(host, o, f(read(host, o))); });
    return host.to(test_device());
  };
  const auto normal = [&](const Shape& s, DType t, std::uint32_t stream) {
    return random_tensor(s, t, stream);
  };
  Inputs in;
  in.x = normal({b, l, 2 * p}, dtype, 1);
  const Shape delta = c.selected ? Shape{b, l, p} : Shape{p};
  in.delta = mapped(normal(delta, c.selected ? dtype : wide, 2),
                    [](double v) { return std::exp(-3 + 1.2 * v); });
  in.A_real = mapped(normal({p}, wide, 3), [](double v) { return -std::exp(0.5 + v); });
  in.A_imag = mapped(normal({p}, wide, 4), [](double v) { return 6 * v; });
  if (c.initial) in.initial = normal({b, 2 * p}, wide, 5);
  if (c.ids) {
    in.ids = Tensor::empty({b, l}, DType::I32);
    for (std::int64_t i = 0; i < b * l; ++i) {
      in.ids.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % l / 23 + (i % l > 30 ? 4 : 0));
    }
    in.ids = in.ids.to(test_device());
  }
  in.dh = normal({b, l, 2 * p}, dtype, 6);
  in.dfinal = normal({b, 2 * p}, wide, 7);
  return in;
}

/// The formula, and the derivative of L = <dh, h> + <dfinal, final> by the chain rule, one position
/// after the other.
Arrays loop(const Case& c, const Inputs& in) {
  const std::int64_t b = c.batch, l = c.length, p = c.states;
  const auto x = values(in.x), delta = values(in.delta), A_real = values(in.A_real),
             A_imag = values(in.A_imag), dh = values(in.dh), dfinal = values(in.dfinal);
  const auto initial = c.initial ? values(in.initial) : std::vector<double>(b * 2 * p, 0.0);
  const auto ids = c.ids ? values(in.ids) : std::vector<double>(b * l, 0.0);
  Arrays out;
  for (const char* name : {"h", "dx"}) out[name].resize(x.size());
  for (const char* name : {"final", "dinitial"}) out[name].resize(b * 2 * p);
  out["ddelta"].resize(delta.size()), out["dA_real"].resize(p), out["dA_imag"].resize(p);
  for (std::int64_t batch = 0; batch < b; ++batch) {
    for (std::int64_t s = 0; s < p; ++s) {
      const auto row = [&](std::int64_t t) { return (batch * l + t) * 2 * p + s; };
      const auto place = [&](std::int64_t k) { return c.reverse ? l - 1 - k : k; };
      const auto at = [&](const std::vector<double>& v, std::int64_t i) {
        return Complex(v[i], v[i + p]);
      };
      const auto step = [&](std::int64_t t) { return c.selected ? (batch * l + t) * p + s : s; };
      const auto reset = [&](std::int64_t k) {
        return k > 0 && ids[batch * l + place(k)] != ids[batch * l + place(k - 1)];
      };
      const auto decay = [&](std::int64_t t) {
        const double d = delta[step(t)];
        return std::exp(Complex(d * A_real[s], c.scaled ? d * A_imag[s] : A_imag[s]));
      };
      std::vector<Complex> before(l);
      Complex h = at(initial, batch * 2 * p + s);
      for (std::int64_t k = 0; k < l; ++k) {
        const std::int64_t t = place(k);
        before[k] = reset(k) ? Complex() : h;
        h = decay(t) * before[k] + delta[step(t)] * at(x, row(t));
        out["h"][row(t)] = h.real(), out["h"][row(t) + p] = h.imag();
      }
      out["final"][batch * 2 * p + s] = h.real(), out["final"][batch * 2 * p + s + p] = h.imag();
      Complex carry = at(dfinal, batch * 2 * p + s);
      for (std::int64_t k = l - 1; k >= 0; --k) {
        const std::int64_t t = place(k);
        const double d = delta[step(t)];
        const Complex lambda = at(dh, row(t)) + carry, a = decay(t);
        const Complex S = std::conj(lambda) * a * before[k];
        out["dx"][row(t)] = d * lambda.real(), out["dx"][row(t) + p] = d * lambda.imag();
        out["dA_real"][s] += d * S.real();
        out["dA_imag"][s] += (c.scaled ? d : 1) * -S.imag();
        out["ddelta"][step(t)] += S.real() * A_real[s] - (c.scaled ? S.imag() * A_imag[s] : 0) +
                                  (std::conj(lambda) * at(x, row(t))).real();
        carry = reset(k) ? Complex() : std::conj(a) * lambda;
      }
      out["dinitial"][batch * 2 * p + s] = carry.real();
      out["dinitial"][batch * 2 * p + s + p] = carry.imag();
    }
  }
  return out;
}

DiagonalScanForward forward_args(const Case& c, const Inputs& in) {
  return {.x = in.x,
          .delta = in.delta,
          .A_real = in.A_real,
          .A_imag = in.A_imag,
          .phase = c.scaled ? DiagonalPhase::Scaled : DiagonalPhase::Fixed,
          .reverse = c.reverse,
          .initial_state = in.initial,
          .sequence_ids = in.ids,
          .h = empty(in.x.shape(), in.x.dtype()),
          .final_state = empty(in.dfinal.shape(), in.dfinal.dtype())};
}

/// A gradient to be added to ones.
Gradient added_to_ones(const Tensor& like) {
  const Tensor t = empty(like.shape(), like.dtype());
  fill({.y = t, .value = 1}, {});
  return {.tensor = t, .mode = GradientMode::Accumulate};
}

std::map<std::string, Tensor> run(const Case& c, const Inputs& in, bool add = false) {
  const DiagonalScanForward args = forward_args(c, in);
  diagonal_scan_forward(args, {});
  const auto gradient = [&](const Tensor& like) {
    if (!like.defined()) return Gradient{};
    return add ? added_to_ones(like)
               : Gradient{.tensor = empty(like.shape(), like.dtype()),
                          .mode = GradientMode::Overwrite};
  };
  const DiagonalScanBackward back{.forward = args,
                                  .dh = in.dh,
                                  .dfinal_state = in.dfinal,
                                  .dx = gradient(in.x),
                                  .ddelta = gradient(in.delta),
                                  .dA_real = gradient(in.A_real),
                                  .dA_imag = gradient(in.A_imag),
                                  .dinitial_state = gradient(in.initial)};
  diagonal_scan_backward(back, {});
  std::map<std::string, Tensor> out{{"h", args.h},
                                    {"final", args.final_state},
                                    {"dx", back.dx.tensor},
                                    {"ddelta", back.ddelta.tensor},
                                    {"dA_real", back.dA_real.tensor},
                                    {"dA_imag", back.dA_imag.tensor}};
  if (c.initial) out["dinitial"] = back.dinitial_state.tensor;
  return out;
}

double mean_size(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += std::abs(x);
  return sum / static_cast<double>(v.size());
}

/// Mean difference relative to the mean size: a maximum would be decided by one element near zero.
void expect_agreement(const Case& c, DType dtype, bool add = false) {
  SCOPED_TRACE(::testing::Message() << c << " " << dtype << (add ? " added" : ""));
  const Inputs in = make_inputs(c, dtype);
  const Arrays want = loop(c, in);
  // f32: a few roundings of 6e-8 for each position that a state remembers. bf16: h, dx and ddelta
  // are rounded when they are stored (2e-3 on average), and backward reads the rounded h.
  const double tolerance = dtype == DType::F64 ? 1e-12 : dtype == DType::F32 ? 3e-6 : 6e-3;
  for (const auto& [name, tensor] : run(c, in, add)) {
    std::vector<double> expected = want.at(name), got = values(tensor);
    if (add && name[0] == 'd') {
      for (double& v : got) v -= 1;
    }
    ASSERT_EQ(got.size(), expected.size());
    double difference = 0;
    for (std::size_t i = 0; i < got.size(); ++i) difference += std::abs(got[i] - expected[i]);
    // A sum over time may cancel; where there are few of them the mean is that of one.
    const double few = got.size() < 16 ? 4 : 1;
    EXPECT_LE(difference / static_cast<double>(got.size()),
              few * tolerance * (mean_size(expected) + (add ? 1 : 0)))
        << name;
  }
}

std::vector<Case> forms() {
  std::vector<Case> cases;
  for (const bool selected : {false, true}) {
    for (const bool scaled : {true, false}) {
      for (const bool reverse : {false, true}) {
        cases.push_back({.selected = selected, .scaled = scaled, .reverse = reverse});
      }
    }
  }
  return cases;
}

DEVICE_TEST(DiagonalScan, AgreesWithTheLoopInEveryForm) {
  for (const Case& c : forms()) {
    for (const DType dtype : test_dtypes()) expect_agreement(c, dtype);
  }
}

DEVICE_TEST(DiagonalScan, AgreesWithTheLoopAtOddSizes) {
  for (const DType dtype : test_dtypes()) {
    for (const std::int64_t length : {1, 2, 7, 8, 9, 63, 64, 65, 129}) {
      expect_agreement({.batch = 1, .length = length, .states = 33}, dtype);
      expect_agreement({.batch = 3, .length = length, .states = 1, .selected = true}, dtype);
    }
    expect_agreement({.states = 64, .initial = false, .ids = false}, dtype);
  }
}

DEVICE_TEST(DiagonalScan, LongSequencesAreCutIntoSegments) {
  for (const DType dtype : test_dtypes()) {
    for (const bool selected : {false, true}) {
      for (const bool reverse : {false, true}) {
        expect_agreement({.batch = 1,
                          .length = 3001,
                          .states = 34,
                          .selected = selected,
                          .reverse = reverse,
                          .ids = selected},
                         dtype);
      }
    }
  }
}

DEVICE_TEST(DiagonalScan, GradientsCanBeAdded) {
  for (const Case& c : forms()) expect_agreement(c, DType::F32, true);
}

DEVICE_TEST(DiagonalScan, AStateThatHardlyDecaysKeepsItsDigits) {
  // a = 1 - 1e-6: rounded to f32 it would be off by 3e-8 of itself in each of 2,000 steps.
  const Tensor x = zeros({1, 2000, 2}, DType::F32);
  const Tensor delta = tensor({1}, DType::F32, {1e-3}), A_real = tensor({1}, DType::F32, {-1e-3});
  const Tensor A_imag = tensor({1}, DType::F32, {0.5}),
               initial = tensor({1, 2}, DType::F32, {1, 0});
  const Tensor h = empty({1, 2000, 2}, DType::F32);
  diagonal_scan_forward({.x = x,
                         .delta = delta,
                         .A_real = A_real,
                         .A_imag = A_imag,
                         .initial_state = initial,
                         .h = h},
                        {});
  const std::vector<double> got = values(h);
  const double d = static_cast<double>(1e-3F);
  const Complex want = std::exp(2000.0 * Complex(d * static_cast<double>(-1e-3F), d * 0.5));
  EXPECT_NEAR(got[3998], want.real(), 3e-6);
  EXPECT_NEAR(got[3999], want.imag(), 3e-6);
}

/// The columns [first, first + width) of a wider tensor that hold `t`.
Tensor in_wider_rows(const Tensor& t) {
  const Tensor wide = random_tensor({t.size(0), t.size(1), t.size(2) + 3}, t.dtype(), 99);
  const Tensor part = wide.slice(2, 2, 2 + t.size(2));
  copy({.x = t, .y = part}, {});
  return part;
}

DEVICE_TEST(DiagonalScan, RowsMayBeSlicesOfWiderOnes) {
  for (const bool selected : {false, true}) {
    const Case c{.selected = selected};
    const Inputs in = make_inputs(c, DType::F32);
    const auto want = run(c, in);
    Inputs sliced = in;
    sliced.x = in_wider_rows(in.x), sliced.dh = in_wider_rows(in.dh);
    if (selected) sliced.delta = in_wider_rows(in.delta);
    DiagonalScanForward args = forward_args(c, sliced);
    args.h = in_wider_rows(args.h);
    diagonal_scan_forward(args, {});
    const Tensor dx = in_wider_rows(in.x);
    diagonal_scan_backward({.forward = args,
                            .dh = sliced.dh,
                            .dfinal_state = in.dfinal,
                            .dx = {.tensor = dx, .mode = GradientMode::Overwrite}},
                           {});
    EXPECT_EQ(values(args.h), values(want.at("h")));
    EXPECT_EQ(values(dx), values(want.at("dx")));
  }
}

DEVICE_TEST(DiagonalScan, PiecesWithCarriedStateGiveTheWhole) {
  for (const bool selected : {false, true}) {
    const Case c{.length = 90, .states = 40, .selected = selected, .ids = false};
    const Inputs in = make_inputs(c, DType::F32);
    const std::vector<double> whole = values(run(c, in).at("h"));
    Tensor state = in.initial;
    std::vector<double> pieces(whole.size());
    for (std::int64_t begin = 0, end = 0; begin < c.length; begin = end) {
      end = std::min(c.length, begin * 2 + 1);
      DiagonalScanForward args = forward_args(c, in);
      args.x = in.x.slice(1, begin, end);
      if (selected) args.delta = in.delta.slice(1, begin, end);
      args.initial_state = state;
      args.h = empty({c.batch, end - begin, 2 * c.states}, DType::F32);
      diagonal_scan_forward(args, {});
      state = args.final_state;
      const std::vector<double> piece = values(args.h);
      for (std::int64_t b = 0; b < c.batch; ++b) {
        std::copy_n(piece.begin() + b * (end - begin) * 2 * c.states, (end - begin) * 2 * c.states,
                    pieces.begin() + (b * c.length + begin) * 2 * c.states);
      }
    }
    expect_close(tensor({static_cast<std::int64_t>(whole.size())}, DType::F32, pieces), whole,
                 2e-6);
  }
}

DEVICE_TEST(DiagonalScan, TwoRunsGiveTheSameBits) {
  for (const Case& c : {Case{.length = 2000, .states = 50}, Case{.states = 50, .selected = true}}) {
    const Inputs in = make_inputs(c, DType::F32);
    expect_thread_independent([&] {
      std::vector<Tensor> out;
      for (const auto& [name, tensor] : run(c, in)) out.push_back(tensor);
      return out;
    });
  }
}

DEVICE_TEST(DiagonalScan, RefusesWhatDoesNotFit) {
  const Case c;
  const Inputs in = make_inputs(c, DType::F32);
  const DiagonalScanForward good = forward_args(c, in);
  const auto expect = [&](const std::function<void(DiagonalScanForward&)>& spoil,
                          const std::string& text) {
    DiagonalScanForward args = good;
    spoil(args);
    expect_error([&] { diagonal_scan_forward(args, {}); }, text);
  };
  expect([](auto& a) { a.x = a.x.slice(2, 0, 9); },
         "[diagonal_scan] x must have shape (b, l, 2 p)");
  expect([](auto& a) { a.delta = a.delta.slice(0, 0, 4); }, "delta must have shape (5)");
  expect([](auto& a) { a.delta = Tensor(); }, "delta must have shape (p) or (b, l, p)");
  expect([](auto& a) { a.A_imag = Tensor(); }, "A_imag must be given");
  expect([](auto& a) { a.h = Tensor(); }, "h must be given");
  expect([](auto& a) { a.sequence_ids = a.sequence_ids.slice(1, 0, 3); }, "sequence_ids");
  expect([](auto& a) { a.initial_state = a.initial_state.slice(1, 0, 3); }, "initial_state");
}

}  // namespace
}  // namespace krait
