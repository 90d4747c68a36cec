// The modes of an S4D operation, for both backends: numbers, the step of the recurrence, and how a
// mode follows from the parameters. `constexpr` makes the templates callable in device code as
// well.
#pragma once
#include <cmath>

namespace krait::modes {

/// The state of a mode, or a factor of it. V is a scalar or a register of several.
template <class V>
struct Real {
  static constexpr int kParts = 1;
  V re{};
};
template <class V>
struct Complex {
  static constexpr int kParts = 2;
  V re{}, im{};
};

template <class V>
constexpr Real<V> conj(const Real<V>& x) {
  return x;
}
template <class V>
constexpr Complex<V> conj(const Complex<V>& x) {
  return {x.re, -x.im};
}

template <class V>
constexpr Real<V> operator+(const Real<V>& x, const Real<V>& y) {
  return {x.re + y.re};
}
template <class V>
constexpr Complex<V> operator+(const Complex<V>& x, const Complex<V>& y) {
  return {x.re + y.re, x.im + y.im};
}

/// x y + z
template <class V>
constexpr Real<V> multiply_add(const Real<V>& x, const Real<V>& y, const Real<V>& z) {
  return {x.re * y.re + z.re};
}
template <class V>
constexpr Complex<V> multiply_add(const Complex<V>& x, const Complex<V>& y, const Complex<V>& z) {
  return {x.re * y.re + (z.re - x.im * y.im), x.re * y.im + (x.im * y.re + z.im)};
}
/// x y + z for a real y
template <class V>
constexpr Real<V> multiply_add(const Real<V>& x, const V& y, const Real<V>& z) {
  return {x.re * y + z.re};
}
template <class V>
constexpr Complex<V> multiply_add(const Complex<V>& x, const V& y, const Complex<V>& z) {
  return {x.re * y + z.re, x.im * y + z.im};
}
/// Re(x y) + z
template <class V>
constexpr V add_product(const Real<V>& x, const Real<V>& y, const V& z) {
  return x.re * y.re + z;
}
template <class V>
constexpr V add_product(const Complex<V>& x, const Complex<V>& y, const V& z) {
  return x.re * y.re + (z - x.im * y.im);
}

/// a h + u. `decay` is a - 1 if kExact, else a: see kernels/s4d.h.
template <bool kExact, class V>
constexpr Real<V> advance(const Real<V>& decay, const Real<V>& h, const V& u) {
  if constexpr (kExact) {
    return {h.re + (decay.re * h.re + u)};
  } else {
    return {decay.re * h.re + u};
  }
}
template <bool kExact, class V>
constexpr Complex<V> advance(const Complex<V>& decay, const Complex<V>& h, const V& u) {
  const V re = decay.re * h.re + (u - decay.im * h.im);
  const V im = decay.re * h.im + decay.im * h.re;
  if constexpr (kExact) {
    return {h.re + re, h.im + im};
  } else {
    return {re, im};
  }
}
/// conj(a) g: what the gradient g of a state passes to the state before it.
template <bool kExact, template <class> class Number, class V>
constexpr Number<V> retreat(const Number<V>& decay, const Number<V>& g) {
  return advance<kExact>(conj(decay), g, V{});
}

using Parameter = Complex<double>;

constexpr Parameter times(const Parameter& x, const Parameter& y) {
  return multiply_add(x, y, Parameter{});
}
constexpr Parameter times(const Parameter& x, double y) {
  return {x.re * y, x.im * y};
}
constexpr Parameter over(const Parameter& x, const Parameter& y) {
  return times(times(x, conj(y)), 1 / (y.re * y.re + y.im * y.im));
}

/// e^x - 1 with all its digits, near 0 too.
template <class T>
constexpr Complex<T> expm1(const Complex<T>& x) {
  const T grows = std::expm1(x.re);
  if (x.im == 0) return {grows, T(0)};
  const T sine = std::sin(x.im / 2), cosine = std::cos(x.im / 2);
  return {grows - 2 * sine * sine * (1 + grows), 2 * sine * cosine * (1 + grows)};
}

/// The parameters of a mode, and what follows from them.
struct Mode {
  double dt;
  Parameter A, C;
  double weight;  // 2 where the mode stands for a conjugate pair, else 1

  constexpr Parameter x() const { return times(A, dt); }
  /// a - 1 = e^x - 1
  template <class T = double>
  constexpr Complex<T> decay_minus_one() const {
    return expm1<T>(x());
  }
  /// (e^x - 1) / A as dt phi(x), phi(x) = (e^x - 1) / x
  constexpr Parameter input_factor(const Parameter& minus_one) const {
    return times(phi(minus_one), dt);
  }
  /// K = weight C (e^x - 1) / A
  constexpr Parameter gain(const Parameter& minus_one) const {
    return times(times(C, input_factor(minus_one)), weight);
  }

  struct Gradients {
    double dt = 0;
    Parameter A, C;
  };
  /// From the gradients of a and of K, each as d / d Re + i d / d Im, as all here.
  constexpr Gradients gradients(const Parameter& minus_one, const Parameter& ddecay,
                                const Parameter& dgain) const {
    const Parameter a{1 + minus_one.re, minus_one.im};
    const Parameter dfactor = times(times(conj(C), dgain), weight);
    const Parameter by_x = times(conj(a), ddecay);
    // d factor / d dt = a at fixed A;  d factor / d A = dt^2 phi'(x)
    return {.dt = times(conj(A), by_x).re + times(conj(a), dfactor).re,
            .A = times(multiply_add(times(conj(slope(minus_one)), dfactor), dt, by_x), dt),
            .C = times(times(conj(input_factor(minus_one)), dgain), weight)};
  }

 private:
  /// So small that e^x - 1 is x, and its square not yet zero.
  static constexpr double kTiny = 1e-100;

  constexpr bool is_tiny() const {
    return x().re < kTiny && x().re > -kTiny && x().im < kTiny && x().im > -kTiny;
  }
  constexpr Parameter phi(const Parameter& minus_one) const {
    return is_tiny() ? Parameter{1, 0} : over(minus_one, x());
  }
  /// phi'(x) = (e^x - phi(x)) / x; near 0, where that loses its digits, the series
  /// sum_k k x^(k - 1) / (k + 1)!, whose first term left out is below 1e-17 of it.
  constexpr Parameter slope(const Parameter& minus_one) const {
    const Parameter at = x();
    if (at.re * at.re + at.im * at.im > 0.25) {
      const Parameter p = phi(minus_one);
      return over({1 + minus_one.re - p.re, minus_one.im - p.im}, at);
    }
    constexpr int kTerms = 16;
    double factorial = 1;  // of k + 1
    for (int k = 1; k <= kTerms; ++k) factorial *= k + 1;
    Parameter sum;
    for (int k = kTerms; k >= 1; --k) {
      sum = multiply_add(sum, at, {k / factorial, 0});
      factorial /= k + 1;
    }
    return sum;
  }
};

}  // namespace krait::modes
