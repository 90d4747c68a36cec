// The values that a run reports at each step, and the destinations that they are written to.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace krait {

using RecordValue = std::variant<double, std::int64_t, std::string>;

/// Named values of an optimizer step, in the order of add().
struct Record {
  std::int64_t step = 0;  // at least 0
  std::vector<std::pair<std::string, RecordValue>> values = {};

  Record& add(std::string name, RecordValue value) {
    values.emplace_back(std::move(name), std::move(value));
    return *this;
  }
};

/// A destination of records, such as a file.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  /// Throws Io.
  virtual void write(const Record& record) = 0;
  /// Makes what was written survive a power failure. Call it before a checkpoint becomes valid:
  /// then the records are never behind the checkpoint. Throws Io.
  virtual void sync() = 0;
};

}  // namespace krait
