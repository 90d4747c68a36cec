// ListOps (Nangia and Bowman 2018; Long Range Arena, Tay et al. 2020): nested lists of digits with
// an operator in front, whose value is a digit.
//
// An expression is a sequence of ids, one for each token of the benchmark, which drops the round
// brackets: "[MAX 3 [MIN 8 2 ] ]" is MAX 3 MIN 8 2 close close.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace krait {

/// 0 to 9 are the digits.
enum ListOpsId : std::int32_t { kMin = 10, kMax = 11, kMed = 12, kSm = 13, kClose = 14 };
inline constexpr std::int64_t kListOpsSymbols = 15;

/// "0" to "9", "[MIN", "[MAX", "[MED", "[SM", "]".
std::string_view listops_symbol(std::int32_t id);

using ListOpsExpression = std::vector<std::int32_t>;

/// The value: of an operator that of its arguments, MIN the least, MAX the greatest, MED the median
/// (of an even number of arguments the mean of the middle two, rounded down), SM the sum modulo 10.
/// Takes memory in proportion to the text, and no recursion. Nothing for what is no expression.
std::optional<std::int32_t> listops_value(std::span<const std::int32_t> expression);

/// The value as it comes out when only the outer `levels` levels of operators are worked out, and a
/// deeper operator counts as its usual value: MIN 0, MAX 9, MED 4, SM 4. A model that sees `levels`
/// levels reaches the accuracy of this oracle. `expression` must be one.
std::int32_t listops_oracle(std::span<const std::int32_t> expression, int levels);

/// The expression with every operator below the outer `levels` levels replaced by its value: of
/// equal value, and short. The stages of a curriculum by height.
ListOpsExpression listops_truncated(std::span<const std::int32_t> expression, int levels);

/// How deep operators are nested: 0 for a digit.
int listops_height(std::span<const std::int32_t> expression);

/// Reads tokens between blanks; round brackets are dropped. On failure returns nothing and says in
/// `problem` what was found.
std::optional<ListOpsExpression> parse_listops(std::string_view text, std::string& problem);

/// As the benchmark's generator writes it: a chain of brackets around each operator and argument,
/// "( ( ( [MAX 3 ) 8 ) ] )".
std::string format_listops(std::span<const std::int32_t> expression);

}  // namespace krait
