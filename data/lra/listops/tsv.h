// The rows of the benchmark's files, basic_train.tsv, basic_val.tsv and basic_test.tsv: a line
// "Source<tab>Target", then one row for each example, the expression in its brackets and its value.
// Lines end with a carriage return and a line feed.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

#include "core/system/file.h"
#include "data/files/line_reader.h"
#include "data/lra/listops/expression.h"

namespace krait {

struct ListOpsRow {
  ListOpsExpression expression;
  std::int32_t target = 0;  // what the file says, whether or not it is the value
};

class ListOpsTsvReader {
 public:
  /// Throws MissingInput and Io, BadData for another first line.
  explicit ListOpsTsvReader(const std::filesystem::path& path);
  /// Nothing at the end. Throws BadData, naming file and line, for a row that has not two columns,
  /// an expression that is none, and a target that is not 0 to 9.
  std::optional<ListOpsRow> next();
  const LineReader& lines() const { return lines_; }

 private:
  LineReader lines_;
};

class ListOpsTsvWriter {
 public:
  explicit ListOpsTsvWriter(const std::filesystem::path& path);
  void add(std::span<const std::int32_t> expression, std::int32_t target);
  /// Puts the file in place.
  void commit();

 private:
  void flush();

  TemporaryFile file_;
  std::string buffer_;
};

}  // namespace krait
