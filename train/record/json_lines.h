// metrics.jsonl: one JSON object per line, appended during the run.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "core/system/file.h"
#include "train/record/record.h"

namespace krait {

/// {"step":3,"loss":2.5,...}: the step, then the values in their order. Floating-point numbers have
/// 17 significant digits, from which a double comes back to the bit. JSON has no non-finite
/// numbers: they are the strings "nan", "inf" and "-inf", which Python's float() and strtod read.
/// Bytes of a text that are not UTF-8 become U+FFFD.
std::string to_json(const Record& record);

/// Appends records to a file, one per line. Each record is one write, so readers and a killed
/// process see whole lines; what reached the operating system survives the process.
class JsonLines final : public RecordSink {
 public:
  /// Opens `path` for appending, creating it. Throws Io.
  explicit JsonLines(std::filesystem::path path);
  /// Throws Io; if a record does not fit on the disk, no part of it remains.
  void write(const Record& record) override;
  void sync() override;

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
};

/// Removes the records of steps after `step`, and a last line that a crash has cut, so that a run
/// resumed at `step` writes the same file as an uninterrupted one. The file is replaced atomically,
/// and only if it changes. A file that does not exist counts as empty. Reads the file into memory.
///
/// Returns how many lines were removed. Throws BadData with the line number when a line other than
/// the last is not a record: the file is then left as it is.
std::int64_t truncate_json_lines_after(const std::filesystem::path& path, std::int64_t step);

}  // namespace krait
