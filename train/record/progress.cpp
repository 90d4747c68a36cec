#include "train/record/progress.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace krait {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr double kRateSeconds = 10;     // the rate forgets with this time constant
constexpr double kShortestSpan = 0.05;  // a rate over less is noise
constexpr int kDefaultWidth = 80;
constexpr std::size_t kLeastBar = 5;
constexpr std::size_t kMostBar = 30;

int terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kDefaultWidth;
}

/// Columns of UTF-8 text, one a code point; what is shown here has no wider ones.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u;
  }));
}

std::string cut(std::string text, std::size_t width) {
  while (columns(text) > width) text.pop_back();
  return text;
}

}  // namespace

ProgressOutput standard_progress_output() {
  ProgressOutput output;
  output.write = [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  };
  output.clock = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  output.width = terminal_width;
  const char* term = std::getenv("TERM");
  output.terminal =
      isatty(STDERR_FILENO) != 0 && term != nullptr && std::string_view(term) != "dumb";
  return output;
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e12) return "?";
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  const std::int64_t minutes = whole / 60;
  const std::int64_t hours = minutes / 60;
  if (hours >= 24) {
    return fmt::format("{}d {:02}:{:02}", hours / 24, hours % 24, minutes % 60);
  }
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes % 60, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string format_count(double value) {
  if (!std::isfinite(value)) return "?";
  const char* unit = "";
  for (const char* next : {"k", "M", "G", "T"}) {
    if (std::abs(value) < 999.5) break;
    value /= 1000;
    unit = next;
  }
  const double size = std::abs(value);
  const bool whole = *unit == '\0' && value == std::floor(value);
  const int digits = whole || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}", value, digits, unit);
}

Progress::Progress(ProgressOptions options, ProgressOutput output)
    : options_(std::move(options)), output_(std::move(output)) {
  start_ = measured_at_ = output_.clock();
  done_ = measured_ = options_.first;
}

Progress::~Progress() {
  if (bar_open_) output_.write("\n");
}

std::string Progress::describe(bool with_percent) const {
  std::string text;
  if (options_.total > 0) {
    if (with_percent) {
      text += fmt::format("{:3}% ", 100 * std::min(done_, options_.total) / options_.total);
    }
    text += fmt::format("{}/{} {}", done_, options_.total, options_.item);
  } else {
    text += fmt::format("{} {}", done_, options_.item);
  }
  if (!note_.empty()) text += "  " + note_;
  const double total_rate = rate_ * options_.work_per_item;
  if (rate_ > 0) {
    text += fmt::format("  {} {}/s", format_count(total_rate),
                        options_.work.empty() ? options_.item : options_.work);
  }
  return text + closing();
}

std::string Progress::closing() const {
  if (finished_) return "  in " + format_duration(output_.clock() - start_);
  if (options_.total <= done_ || rate_ <= 0) return {};
  return fmt::format("  {} left",
                     format_duration(static_cast<double>(options_.total - done_) / rate_));
}

std::string Progress::bar_line() const {
  // The last column stays free: some terminals wrap when it is written.
  const auto width = static_cast<std::size_t>(std::max(output_.width(), 2) - 1);
  const std::string text = describe(/*with_percent=*/true);
  const std::size_t used = columns(options_.label) + columns(text) + 4;  // " [" and "] "
  if (options_.total <= 0 || used + kLeastBar > width) {
    return cut(options_.label + " " + text, width);
  }
  const std::size_t length = std::min(kMostBar, width - used);
  const double part =
      std::clamp(static_cast<double>(done_) / static_cast<double>(options_.total), 0.0, 1.0);
  const auto full = static_cast<std::size_t>(part * static_cast<double>(length));
  std::string bar(full, '=');
  if (full < length) bar += '>';
  bar.resize(length, ' ');
  return fmt::format("{} [{}] {}", options_.label, bar, text);
}

void Progress::erase_bar() {
  if (bar_open_) output_.write("\r\x1b[K");
  bar_open_ = false;
}

void Progress::update(std::int64_t done, std::string_view note) {
  const double now = output_.clock();
  done_ = done;
  if (now >= measured_at_ + kShortestSpan && done > measured_) {
    // The plain average until kRateSeconds have passed, then one that forgets.
    const double seconds = now - measured_at_;
    const double weight = std::max(1 - std::exp(-seconds / kRateSeconds), seconds / (now - start_));
    rate_ += weight * (static_cast<double>(done - measured_) / seconds - rate_);
    measured_at_ = now;
    measured_ = done;
  }
  note_ = note;
  const double pause = output_.terminal ? kRedrawSeconds : options_.line_seconds;
  if (shown_ && now - last_shown_ < pause) return;
  shown_ = true;
  last_shown_ = now;
  if (output_.terminal) {
    output_.write(fmt::format("\r{}\x1b[K", bar_line()));
    bar_open_ = true;
  } else {
    output_.write(fmt::format("{}: {}\n", options_.label, describe(/*with_percent=*/true)));
  }
}

void Progress::message(std::string_view text) {
  const bool redraw = bar_open_;
  erase_bar();
  output_.write(fmt::format("{}\n", text));
  if (redraw) {
    output_.write(bar_line());
    bar_open_ = true;
  }
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  const double seconds = output_.clock() - start_;
  if (seconds > 0) rate_ = static_cast<double>(done_ - options_.first) / seconds;
  erase_bar();
  output_.write(fmt::format("{}: {}\n", options_.label, describe(/*with_percent=*/false)));
}

}  // namespace krait
