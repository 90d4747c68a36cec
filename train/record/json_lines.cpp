#include "train/record/json_lines.h"

#include <cerrno>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "core/error.h"

namespace krait {
namespace {

using nlohmann::json;

std::string json_of(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}
std::string json_of(std::int64_t value) {
  return std::to_string(value);
}
std::string json_of(double value) {
  if (std::isfinite(value)) return fmt::format("{:.17g}", value);
  return std::isnan(value) ? "\"nan\"" : value > 0 ? "\"inf\"" : "\"-inf\"";
}

/// The step of a record; nothing if the line is not a record.
std::optional<std::int64_t> step_of(std::string_view line) {
  const json record = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) return std::nullopt;
  const auto step = record.find("step");
  if (step == record.end() || !step->is_number_integer()) return std::nullopt;
  return step->get<std::int64_t>();
}

}  // namespace

std::string to_json(const Record& record) {
  KRAIT_REQUIRE(record.step >= 0, "[Record] step must not be negative, got ", record.step, ".");
  std::string text = fmt::format("{{\"step\":{}", record.step);
  for (const auto& [name, value] : record.values) {
    const std::string shown = std::visit([](const auto& v) { return json_of(v); }, value);
    text += fmt::format(",{}:{}", json_of(name), shown);
  }
  return text + "}";
}

JsonLines::JsonLines(std::filesystem::path path) : path_(std::move(path)) {
  constexpr int kMode = 0644;
  file_ = FileDescriptor(open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kMode));
  if (!file_) throw_io_error("open", path_, errno);
}

void JsonLines::write(const Record& record) {
  const std::string line = to_json(record) + "\n";
  const off_t before = lseek(file_.get(), 0, SEEK_END);
  try {
    write_all(file_, std::as_bytes(std::span(line)), path_);
  } catch (const Error&) {
    // The first error is the one to report, whether or not the torn line can be taken back.
    if (before >= 0) [[maybe_unused]]
      const int result = ftruncate(file_.get(), before);
    throw;
  }
}

void JsonLines::sync() {
  if (fdatasync(file_.get()) != 0) throw_io_error("write", path_, errno);
}

std::int64_t truncate_json_lines_after(const std::filesystem::path& path, std::int64_t step) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return 0;
  const std::string text = read_file(path);
  std::string kept;
  std::int64_t removed = 0;
  std::int64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    ++number;
    const std::size_t newline = text.find('\n', at);
    const std::size_t end = newline == std::string::npos ? text.size() : newline + 1;
    const std::string_view line = std::string_view(text).substr(at, end - at);
    const auto found = step_of(line);
    const bool last = end == text.size();
    KRAIT_CHECK(BadData, found || last, path.string(), ":", number,
                ": is not a metrics record; repair or remove that line, or move the file away.");
    if (found && line.back() == '\n' && *found <= step) {
      kept += line;
    } else {
      ++removed;
    }
    at = end;
  }
  if (removed > 0) write_file_atomic(path, kept);
  return removed;
}

}  // namespace krait
