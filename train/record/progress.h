// The progress of a long piece of work: a bar on a terminal, plain lines in a pipe or file.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace krait {

/// Where progress goes. The default is standard error: a bar if that is a terminal (and TERM is not
/// "dumb"), else lines.
struct ProgressOutput {
  std::function<void(std::string_view)> write;
  std::function<double()> clock;  // seconds, monotonic
  std::function<int()> width;     // columns of the terminal, asked at every redraw
  bool terminal = false;
};
ProgressOutput standard_progress_output();

struct ProgressOptions {
  std::string label;           // "train"
  std::string item = "steps";  // what `total` counts
  std::int64_t total = 0;      // 0: not known, so no bar and no time left
  std::int64_t first = 0;      // done before this process started, as after a resume
  std::string work;            // what the rate counts ("tokens"); empty: items
  double work_per_item = 1;
  double line_seconds = 10;  // time between plain lines
};

/// One piece of work. On a terminal one line is rewritten in place, at most ten times a second and
/// never wider than the window:
///
///   train [=========>          ]  45% 450/1000 steps  loss 2.3140  12.3k tokens/s  0:12 left
///
/// Otherwise a line is written for the first update, then one every line_seconds, and one for the
/// last. The rate is an average over about the last ten seconds, that of the last line over all the
/// time. Not for several threads at once.
class Progress {
 public:
  explicit Progress(ProgressOptions options, ProgressOutput output = standard_progress_output());
  /// Ends the line if finish() was not called.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of the total are done; `note` is shown as it is ("loss 2.3140").
  void update(std::int64_t done, std::string_view note = {});
  /// Writes a whole line above the bar.
  void message(std::string_view text);
  /// Shows the last update and the time that all took.
  void finish();

 private:
  std::string describe(bool with_percent) const;
  std::string bar_line() const;
  std::string closing() const;
  void erase_bar();

  ProgressOptions options_;
  ProgressOutput output_;
  double start_ = 0;
  double last_shown_ = 0;
  double rate_ = 0;  // items per second, up to `measured_` items at `measured_at_`
  double measured_at_ = 0;
  std::int64_t measured_ = 0;
  std::int64_t done_ = 0;
  std::string note_;
  bool shown_ = false;     // anything was written
  bool bar_open_ = false;  // the cursor is in a bar
  bool finished_ = false;
};

/// "0:12", "3:20", "1:02:03", "2d 03:04".
std::string format_duration(double seconds);
/// Three significant digits and k, M, G or T: "950", "12.3k", "1.20M".
std::string format_count(double value);

}  // namespace krait
