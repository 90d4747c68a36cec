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

std::string quoted(std::string_view text) {
  // Bytes that are no UTF-8 become U+FFFD: a log line is never refused.
  return json(std::string(text)).dump(-1, ' ', false, json::error_handler_t::replace);
}

// The step of a record, or nothing if the line is none.
std::optional<std::int64_t> step_of(std::string_view line) {
  const json record = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) return std::nullopt;
  const auto step = record.find("step");
  if (step == record.end() || !step->is_number_integer()) return std::nullopt;
  return step->get<std::int64_t>();
}

}  // namespace

MetricsRecord::MetricsRecord(std::int64_t step)
    : step_(step), json_(fmt::format("{{\"step\":{}", step)) {
  KRAIT_REQUIRE(step >= 0, "[MetricsRecord] step must not be negative, got ", step, ".");
}

void MetricsRecord::add_raw(std::string_view name, std::string_view value) {
  json_ += fmt::format(",{}:{}", quoted(name), value);
}

MetricsRecord& MetricsRecord::add(std::string_view name, double value) {
  if (std::isfinite(value)) {
    add_raw(name, fmt::format("{:.17g}", value));
  } else {
    add_raw(name, std::isnan(value) ? "\"nan\"" : value > 0 ? "\"inf\"" : "\"-inf\"");
  }
  return *this;
}

MetricsRecord& MetricsRecord::add(std::string_view name, std::int64_t value) {
  add_raw(name, std::to_string(value));
  return *this;
}

MetricsRecord& MetricsRecord::add(std::string_view name, std::string_view text) {
  add_raw(name, quoted(text));
  return *this;
}

MetricsLog::MetricsLog(std::filesystem::path path) : path_(std::move(path)) {
  constexpr int kMode = 0644;
  file_ = FileDescriptor(open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kMode));
  if (!file_) throw_io_error("open", path_, errno);
}

void MetricsLog::write(const MetricsRecord& record) {
  const std::string line = record.json() + "\n";
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

void MetricsLog::sync() {
  if (fdatasync(file_.get()) != 0) throw_io_error("write", path_, errno);
}

std::int64_t truncate_metrics_after(const std::filesystem::path& path, std::int64_t step) {
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
                ": is no metrics record; repair or remove that line, or move the file away.");
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
