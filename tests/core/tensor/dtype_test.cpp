#include "core/tensor/dtype.h"

#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace krait {
namespace {

TEST(DType, SizesAndNames) {
  EXPECT_EQ(size_of(DType::F32), sizeof(float));
  EXPECT_EQ(size_of(DType::F64), sizeof(double));
  EXPECT_EQ(size_of(DType::BF16), 2u);
  EXPECT_EQ(size_of(DType::I32), 4u);
  EXPECT_EQ(size_of(DType::I64), 8u);
  EXPECT_EQ(size_of(DType::U8), 1u);
  EXPECT_EQ(str(DType::F32, DType::F64, DType::BF16, DType::I32, DType::I64, DType::U8),
            "f32f64bf16i32i64u8");
}

float rounded(float x) {
  return static_cast<float>(BFloat16(x));
}

TEST(BFloat16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(rounded(1.0f), 1.0f);
  EXPECT_EQ(rounded(-2.5f), -2.5f);
  EXPECT_EQ(rounded(1.0f + 0x1p-9f), 1.0f);            // below half of a unit, 2^-7
  EXPECT_EQ(rounded(1.0f + 0x1p-8f), 1.0f);            // a tie: to the even mantissa 0
  EXPECT_EQ(rounded(1.0f + 0x3p-8f), 1.0f + 0x1p-6f);  // a tie: to the even mantissa 2
  EXPECT_EQ(rounded(1.0f + 0x1.1p-8f), 1.0f + 0x1p-7f);
  EXPECT_EQ(rounded(std::nextafter(2.0f, 0.0f)), 2.0f);  // carries into the exponent
}

TEST(BFloat16, EveryValueSurvivesTheWayToF32AndBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    BFloat16 x;
    x.bits = static_cast<std::uint16_t>(bits);
    const auto f = static_cast<float>(x);
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(rounded(f)));
    } else {
      ASSERT_EQ(BFloat16(f).bits, x.bits);
    }
  }
}

TEST(BFloat16, InfinityNanAndOverflow) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(rounded(kInfinity), kInfinity);
  EXPECT_EQ(rounded(-kInfinity), -kInfinity);
  EXPECT_EQ(rounded(std::numeric_limits<float>::max()), kInfinity);
  EXPECT_TRUE(std::isnan(rounded(std::numeric_limits<float>::quiet_NaN())));
  // a NaN whose upper mantissa bits are zero must not turn into infinity
  EXPECT_TRUE(std::isnan(rounded(std::bit_cast<float>(0x7f800001u))));
  EXPECT_TRUE(std::signbit(rounded(-0.0f)));
}

TEST(VisitFloat, PassesTheTypeAndNamesTheCallerInErrors) {
  std::size_t size = 0;
  const auto take = [&](auto zero) { size = sizeof zero; };
  visit_float(DType::F32, "op", take);
  EXPECT_EQ(size, 4u);
  visit_float(DType::F64, "op", take);
  EXPECT_EQ(size, 8u);
  try {
    visit_float(DType::U8, "op", take);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), "[op] dtype must be f32 or f64, got u8.");
  }
}

TEST(Error, ExitCodesAreTheDocumentedOnes) {
  EXPECT_EQ(exit_code(ErrorKind::Contract), 1);
  EXPECT_EQ(exit_code(ErrorKind::Usage), 64);
  EXPECT_EQ(exit_code(ErrorKind::BadData), 65);
  EXPECT_EQ(exit_code(ErrorKind::MissingInput), 66);
  EXPECT_EQ(exit_code(ErrorKind::RankLost), 69);
  EXPECT_EQ(exit_code(ErrorKind::NonFinite), 70);
  EXPECT_EQ(exit_code(ErrorKind::Io), 74);
  EXPECT_EQ(exit_code(ErrorKind::Stopped), 75);
  EXPECT_EQ(exit_code(ErrorKind::BadConfig), 78);
}

TEST(Error, CarriesKindMessageAndPlace) {
  try {
    KRAIT_CHECK(BadData, 1 > 2, "[file] row ", 3, " is bad.");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::BadData);
    EXPECT_EQ(std::string(e.what()), "[file] row 3 is bad.");
    EXPECT_NE(e.where().find("dtype_test.cpp:"), std::string::npos);
  }
}

}  // namespace
}  // namespace krait
