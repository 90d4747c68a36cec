// A field of a configuration: what it is called, what it may hold and which member it stands for.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/text_problem.h"
#include "train/config/config.h"

namespace krait {

/// A value of any field. An enumeration is the word that stands for it.
using FieldValue = std::variant<std::int64_t, double, bool, std::string>;

enum class FieldType { Integer, Number, Boolean, Text, Choice };

/// What a field means for a run that continues from a checkpoint under another value.
enum class FieldRole : std::uint8_t {
  FixesRun,  // the weights, the data order or the arithmetic depend on it: the run is refused
  Local,     // it says where or how fast the run computes: nothing is said
  Free,      // it may change in the course of a run: the log says so
};

inline constexpr double kMaxCount = 1e15;  // exact as a double; products fit into 64 bits

/// Bounds of an Integer or a Number. An open end excludes its bound.
struct FieldRange {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open_low = false;
  bool open_high = false;
  bool contains(double value) const;
  /// "above 0", "0 to 64", "at least 0 and below 1"; empty without bounds, or with those of a
  /// count.
  std::string describe() const;
};

/// One field. `get` and `set` reach the member of Config that it stands for.
struct Field {
  std::string name;  // "optimizer.lr"
  FieldType type;
  FieldRole role;
  bool required;  // must be given; for Text also: not empty
  FieldRange range;
  std::string_view unit;  // empty for a pure number
  std::string_view help;
  std::vector<std::string_view> choices = {};
  std::function<FieldValue(const Config&)> get = {};
  std::function<void(Config&, const FieldValue&)> set = {};
  /// What the field makes of a model that its parameters' names and shapes do not show: weights of
  /// one model mean the same in another only where these values agree. Null: nothing.
  std::function<FieldValue(const Config&)> meaning = {};
  /// What is wrong with a Text, beyond what parse_field sees; null: nothing can be.
  std::optional<TextProblem> (*check)(std::string_view text) = nullptr;

  std::string_view section() const;  // "optimizer"
  std::string_view key() const;      // "lr"
  std::string type_name() const;     // "integer", ..., "rms | layer"
};

}  // namespace krait
