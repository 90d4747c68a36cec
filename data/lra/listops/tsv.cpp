#include "data/lra/listops/tsv.h"

#include <string>
#include <string_view>
#include <utility>

namespace krait {
namespace {

constexpr std::string_view kHeader = "Source\tTarget";
constexpr std::size_t kBuffer = std::size_t{1} << 20;

std::string_view without_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

ListOpsTsvReader::ListOpsTsvReader(const std::filesystem::path& path) : lines_(path) {
  const auto header = lines_.next();
  KRAIT_CHECK(BadData, header && without_return(*header) == kHeader, path.string(),
              ":1: the first line must be 'Source<tab>Target', as in the files of the benchmark; "
              "this is another kind of file.");
}

std::optional<ListOpsRow> ListOpsTsvReader::next() {
  const auto line = lines_.next();
  if (!line) return std::nullopt;
  const std::string_view row = without_return(*line);
  const std::size_t tab = row.find('\t');
  KRAIT_CHECK(BadData, tab != std::string_view::npos && row.find('\t', tab + 1) == row.npos,
              lines_.where(), ": a row must be an expression, a tab and its value.");
  const std::string_view target = row.substr(tab + 1);
  KRAIT_CHECK(BadData, target.size() == 1 && target[0] >= '0' && target[0] <= '9', lines_.where(),
              ": the target must be a digit, got '", target.substr(0, 20), "'.");
  std::string problem;
  auto expression = parse_listops(row.substr(0, tab), problem);
  KRAIT_CHECK(BadData, expression, lines_.where(), ": ", problem, ".");
  return ListOpsRow{.expression = std::move(*expression), .target = target[0] - '0'};
}

ListOpsTsvWriter::ListOpsTsvWriter(const std::filesystem::path& path)
    : file_(path), buffer_(str(kHeader, "\r\n")) {}

void ListOpsTsvWriter::add(std::span<const std::int32_t> expression, std::int32_t target) {
  buffer_ += str(format_listops(expression), "\t", target, "\r\n");
  if (buffer_.size() >= kBuffer) flush();
}

void ListOpsTsvWriter::flush() {
  write_all(file_.descriptor(), std::as_bytes(std::span(buffer_)), file_.target());
  buffer_.clear();
}

void ListOpsTsvWriter::commit() {
  flush();
  file_.commit();
}

}  // namespace krait
