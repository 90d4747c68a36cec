#include "data/lra/pathfinder/metadata.h"

#include <array>
#include <string_view>

#include "core/error.h"
#include "data/files/line_reader.h"

namespace krait {
namespace {

constexpr std::size_t kColumns = 11;
constexpr std::string_view kBlanks = " \t\r";

std::array<std::string_view, kColumns> split(std::string_view line, const LineReader& lines) {
  std::array<std::string_view, kColumns> columns;
  std::size_t n = 0;
  for (std::size_t at = line.find_first_not_of(kBlanks); at != line.npos; ++n) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    if (n < kColumns) columns.at(n) = line.substr(at, end - at);
    at = line.find_first_not_of(kBlanks, end);
  }
  KRAIT_CHECK(BadData, n == kColumns, lines.where(), ": a line must have ", kColumns,
              " columns between blanks, got ", n, ".");
  return columns;
}

bool stays_inside(const std::filesystem::path& path) {
  const auto normal = path.lexically_normal();
  return normal.is_relative() && !normal.empty() && *normal.begin() == "imgs";
}

}  // namespace

std::vector<PathfinderRecord> read_pathfinder_metadata(const std::filesystem::path& path) {
  LineReader lines(path);
  std::vector<PathfinderRecord> records;
  while (const auto line = lines.next()) {
    KRAIT_CHECK(BadData, !line->starts_with("\x93NUMPY"), path.string(),
                ": is in NumPy's binary format; the metadata of the release are text.");
    if (line->find_first_not_of(kBlanks) == line->npos) continue;
    const auto columns = split(*line, lines);
    PathfinderRecord record{.image = std::filesystem::path(columns[0]) / columns[1]};
    KRAIT_CHECK(BadData, stays_inside(record.image), lines.where(), ": '", record.image.string(),
                "' must be an image in imgs/.");
    KRAIT_CHECK(BadData, columns[3] == "0" || columns[3] == "1", lines.where(),
                ": the label (column 4) must be 0 or 1, got '", columns[3].substr(0, 20), "'.");
    record.label = columns[3] == "1" ? 1 : 0;
    records.push_back(std::move(record));
  }
  return records;
}

std::string pathfinder_metadata_line(const PathfinderRules& rules, std::int64_t gap,
                                     std::uint64_t batch, std::uint64_t number,
                                     std::int32_t label) {
  return str("imgs/", batch, " sample_", number, ".png ", number, " ", label, " ", rules.continuity,
             " ", rules.contour_length, " ", rules.distractor_length, " ", rules.dash_length, " ",
             rules.dash_thickness, " ", gap, " 1\n");
}

}  // namespace krait
