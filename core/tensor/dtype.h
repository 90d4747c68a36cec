// Element types, and how code is instantiated for them.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "core/error.h"
#include "core/names.h"

namespace krait {

/// F64 exists for gradient checks and runs on the CPU. I64 and U8 hold indices and raw bytes.
enum class DType : std::uint8_t { F32, F64, BF16, I32, I64, U8 };
template <>
inline constexpr std::array<std::string_view, 6> kNames<DType>{"f32", "f64", "bf16",
                                                               "i32", "i64", "u8"};

/// Storage of a bfloat16: the upper half of an f32. Rounds to nearest even.
struct BFloat16 {
  std::uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float value) {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    bits = nan ? static_cast<std::uint16_t>((u >> 16) | 0x40u)
               : static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

constexpr std::size_t size_of(DType t) {
  switch (t) {
    case DType::F64:
    case DType::I64:
      return 8;
    case DType::F32:
    case DType::I32:
      return 4;
    case DType::BF16:
      return 2;
    case DType::U8:
      return 1;
  }
  return 0;
}

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType kValue = DType::F32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType kValue = DType::F64;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType kValue = DType::BF16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType kValue = DType::I32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType kValue = DType::I64;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType kValue = DType::U8;
};
template <class T>
inline constexpr DType dtype_of = DTypeOf<std::remove_cv_t<T>>::kValue;

/// The type in which values of `t` are summed, and that of parameters and states used with them:
/// f32 for bf16, else `t`.
constexpr DType accumulate_dtype(DType t) {
  return t == DType::BF16 ? DType::F32 : t;
}

/// Calls f with a value of the C++ type that `t` names: float or double. `op` names the caller in
/// the error for every other dtype.
template <class F>
void visit_float(DType t, std::string_view op, F&& f) {
  switch (t) {
    case DType::F32:
      f(float{});
      return;
    case DType::F64:
      f(double{});
      return;
    default:
      KRAIT_REQUIRE(false, "[", op, "] dtype must be f32 or f64, got ", t, ".");
  }
}

}  // namespace krait
