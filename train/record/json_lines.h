// metrics.jsonl: one JSON object a line, appended as the run goes.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/system/file.h"

namespace krait {

/// One line of the log: {"step":3,"loss":2.5,...}, keys in the order of add(). Numbers have 17
/// significant digits, which is a double to the bit. JSON has no non-finite numbers: they are the
/// strings "nan", "inf" and "-inf", which Python's float() and strtod read.
class MetricsRecord {
 public:
  /// `step` >= 0 is the optimizer step that the record belongs to.
  explicit MetricsRecord(std::int64_t step);
  MetricsRecord& add(std::string_view name, double value);
  MetricsRecord& add(std::string_view name, std::int64_t value);
  MetricsRecord& add(std::string_view name, std::string_view text);
  std::int64_t step() const { return step_; }
  std::string json() const { return json_ + "}"; }

 private:
  void add_raw(std::string_view name, std::string_view json);
  std::int64_t step_;
  std::string json_;  // without the closing brace
};

/// Appends records to a file. Each record is one write, so readers and a killed process see whole
/// lines; what reached the operating system survives the process, sync() makes it survive a power
/// failure. Call sync() before a checkpoint becomes valid: then the log is never behind it.
class MetricsLog {
 public:
  /// Opens `path` for appending, creating it. Throws Io.
  explicit MetricsLog(std::filesystem::path path);
  /// Throws Io; a record that did not fit on the disk leaves no part of itself behind.
  void write(const MetricsRecord& record);
  void sync();

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
};

/// Removes the records of steps after `step`, and what a crash left of a torn last line, so that a
/// run resumed at `step` writes the log that an uninterrupted one would have. The file is replaced
/// atomically, and only if it changes. No file is an empty log. Reads the file into memory.
///
/// Returns how many lines were removed. Throws BadData with the line number when a line other than
/// the last is no record: the log is then left as it is.
std::int64_t truncate_metrics_after(const std::filesystem::path& path, std::int64_t step);

}  // namespace krait
