// Registers full of floats, in the vector extension that GCC and Clang share, and the functions of
// them that the scan and the convolution need. Each function does the same operations in every
// lane, so a channel's result does not depend on where its lane is.
//
// Vec<T> fills the widest register that the build targets: 16 bytes (SSE2), 32 (AVX) or 64
// (AVX-512). Sizes are never assumed to divide: load and store take the number of lanes in use.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace krait::cpu {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

template <class T>
struct VectorTraits;

template <>
struct VectorTraits<float> {
  using Type = float __attribute__((vector_size(kVectorBytes)));
  using Int = std::int32_t;
  using Bits = Int __attribute__((vector_size(kVectorBytes)));
  static constexpr int kMantissaBits = 23, kExponentBias = 127;
  // 2^f = 1 + f c0 + f^2 c1 + ... on [-1/2, 1/2]: the polynomial of least relative error (2e-9)
  // among those that are exact at 0, where the decays of slow states lie.
  static constexpr std::array<float, 6> kExp2 = {0x1.62e430p-1f, 0x1.ebfbdcp-3f,  0x1.c6aee8p-5f,
                                                 0x1.3b2d4cp-7f, 0x1.5f3e54p-10f, 0x1.41fbbcp-13f};
  static constexpr int kLog1pTerms = 8;  // (1/9)^8 / 17 < 2^-27
};

template <>
struct VectorTraits<double> {
  using Type = double __attribute__((vector_size(kVectorBytes)));
  using Int = std::int64_t;
  using Bits = Int __attribute__((vector_size(kVectorBytes)));
  static constexpr int kMantissaBits = 52, kExponentBias = 1023;
  // ln(2)^k / k!: the Taylor polynomial, off by 4e-18 at most.
  static constexpr std::array<double, 13> kExp2 = [] {
    std::array<double, 13> c{};
    long double term = 1;
    for (int k = 1; k <= 13; ++k) {
      term *= 0.693147180559945309417232121458L / k;
      c[static_cast<std::size_t>(k - 1)] = static_cast<double>(term);
    }
    return c;
  }();
  static constexpr int kLog1pTerms = 17;  // (1/9)^17 / 35 < 2^-58
};

template <class T>
using Vec = typename VectorTraits<T>::Type;
template <class T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T>
inline Vec<T> broadcast(T x) {
  return Vec<T>{} + x;
}

/// The first `lanes` <= kLanes values at p, then zeros.
template <class T>
inline Vec<T> load(const T* p, int lanes = kLanes<T>) {
  Vec<T> x{};
  if (lanes == kLanes<T>) {
    std::memcpy(&x, p, sizeof x);
  } else {
    for (int i = 0; i < lanes; ++i) x[i] = p[i];
  }
  return x;
}

template <class T>
inline void store(T* p, const Vec<T>& x, int lanes = kLanes<T>) {
  if (lanes == kLanes<T>) {
    std::memcpy(p, &x, sizeof x);
  } else {
    for (int i = 0; i < lanes; ++i) p[i] = x[i];
  }
}

/// The sum of all lanes, halves first.
template <class T>
inline T sum_lanes(const Vec<T>& x) {
  T part[kLanes<T>];
  std::memcpy(part, &x, sizeof x);
  for (int half = kLanes<T> / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) part[i] += part[i + half];
  }
  return part[0];
}

/// Adding this rounds to an integer k (1.5 * 2^mantissa leaves no bits for less) and leaves k plus
/// the exponent bias in the low bits of the sum.
template <class T>
inline constexpr T kRounder = T(3) * T(std::int64_t{1} << (VectorTraits<T>::kMantissaBits - 1)) +
                              T(VectorTraits<T>::kExponentBias);

/// 2^(f + k) for |f| <= 1/2 and shifted = k + kRounder.
template <class T>
inline Vec<T> exp2_of_parts(const Vec<T>& f, const Vec<T>& shifted) {
  using Traits = VectorTraits<T>;
  Vec<T> p = broadcast(Traits::kExp2.back());
  for (std::size_t k = Traits::kExp2.size() - 1; k-- > 0;) p = p * f + Traits::kExp2[k];
  p = p * f + T(1);
  // Exponents run from 0 (zero) to 2 bias + 1 (infinity). Floats are ordered like their bits, and
  // a minimum of integers is one instruction where that of floats, for NaN's sake, is two.
  constexpr auto kLowest = std::bit_cast<typename Traits::Int>(kRounder<T> - Traits::kExponentBias);
  constexpr auto kHighest = kLowest + 2 * Traits::kExponentBias + 1;
  auto bits = std::bit_cast<typename Traits::Bits>(shifted);
  bits = bits > kLowest ? bits : kLowest - typename Traits::Bits{};
  bits = bits > kHighest ? kHighest - typename Traits::Bits{} : bits;
  return p * std::bit_cast<Vec<T>>(bits << Traits::kMantissaBits);
}

inline constexpr long double kLog2E = 1.442695040888963407359924681001892137L;
inline constexpr long double kLn2 = 0.693147180559945309417232121458176568L;

/// A factor a, as log2(e) a in two parts, for powers e^(a x). The second part matters because a is
/// the same for all x: rounding it once would bias every power of a long product alike.
template <class T>
struct Exponent {
  Vec<T> high, low;

  /// e^(a x) to 1 ulp where the product is fused. Exact at 0. Results below the smallest normal
  /// number are 0; arguments that are not finite give NaN.
  Vec<T> power(const Vec<T>& x) const {
    const Vec<T> shifted = x * high + kRounder<T>;
    const Vec<T> f = x * high - (shifted - kRounder<T>)+x * low;
    return exp2_of_parts<T>(f, shifted);
  }
};

/// e^x, likewise.
template <class T>
inline Vec<T> exp(const Vec<T>& x) {
  // ln 2 in two parts, the first short enough that its products with integers are exact
  constexpr T kHigh = T(sizeof(T) == 4 ? 0x1.62e4p-1 : 0x1.62e42fefap-1), kLow = T(kLn2 - kHigh);
  const Vec<T> shifted = x * T(kLog2E) + kRounder<T>;
  const Vec<T> k = shifted - kRounder<T>;
  return exp2_of_parts<T>(((x - k * kHigh) - k * kLow) * T(kLog2E), shifted);
}

/// 1 / (1 + e^-x)
template <class T>
inline Vec<T> sigmoid(const Vec<T>& x) {
  return T(1) / (T(1) + exp<T>(-x));
}

/// log(1 + e^x), x itself beyond 20. Relative accuracy of 1 or 2 ulp down to the smallest results.
template <class T>
inline Vec<T> softplus(const Vec<T>& x) {
  // log(1 + e^x) = max(x, 0) + log1p(e) with e = e^-|x|. With s = e / (2 + e) <= 1/3,
  // log1p(e) = 2 atanh(s) = 2 s + s r, r = 2 s^2 / 3 + 2 s^4 / 5 + ..; and 2 s = e - s e, so that
  // rounding errors of s weigh little: log1p(e) = e - s (e - r)
  const Vec<T> e = exp<T>(x < T(0) ? x : -x);
  const Vec<T> s = e / (T(2) + e), s2 = s * s;
  constexpr int kTerms = VectorTraits<T>::kLog1pTerms;
  Vec<T> r = broadcast(T(2) / T(2 * kTerms + 1));
  for (int k = kTerms - 1; k >= 1; --k) r = r * s2 + T(2) / T(2 * k + 1);
  const Vec<T> log1p = e - s * (e - r * s2);
  return x > T(20) ? x : (x > T(0) ? x : Vec<T>{}) + log1p;
}

}  // namespace krait::cpu
