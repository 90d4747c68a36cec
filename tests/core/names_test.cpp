#include "core/names.h"

#include <sstream>

#include <gtest/gtest.h>

namespace krait {

enum class Season : std::uint8_t { Spring, Autumn };
template <>
inline constexpr std::array<std::string_view, 2> kNames<Season>{"spring", "autumn"};

namespace {

enum class Nameless : std::uint8_t { A, B };

TEST(Names, LeadFromAValueToItsNameAndBack) {
  static_assert(name_of(Season::Autumn) == "autumn");
  static_assert(value_of<Season>("spring") == Season::Spring);
  EXPECT_EQ(value_of<Season>("autumn"), Season::Autumn);
  EXPECT_EQ(value_of<Season>("Autumn"), std::nullopt);
  EXPECT_EQ(value_of<Season>(""), std::nullopt);
  static_assert(!Named<Nameless>);
}

TEST(Names, AreWhatAStreamShows) {
  std::ostringstream out;
  out << Season::Spring << "|" << Season::Autumn;
  EXPECT_EQ(out.str(), "spring|autumn");
}

}  // namespace
}  // namespace krait
