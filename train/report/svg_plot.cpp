#include "train/report/svg_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include <fmt/format.h>

#include "core/error.h"
#include "data/unicode/utf8_stream.h"

namespace krait {
namespace {

constexpr double kWidth = 760, kHeight = 460;
constexpr double kLeft = 76, kRight = 736, kTop = 78, kBottom = 396;  // the frame of the curves
constexpr std::array<std::string_view, 7> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                      "#e69f00", "#56b4e9", "#000000"};
constexpr std::string_view kInk = "#1f2933", kFaint = "#7b8794", kGrid = "#e4e7eb";

std::string escape(std::string_view text) {
  Utf8Stream valid;
  const std::string utf8 = valid.push(text) + valid.finish();
  std::string result;
  for (const char c : utf8) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) {
          result += c;
        } else {
          result += "\ufffd";  // XML has no way to write a control
        }
    }
  }
  return result;
}

/// 0.25, 40, 1.5k, 20M: as short as `step`, the distance to the next tick, allows.
std::string tick_label(double value, double step) {
  constexpr std::array<std::pair<double, const char*>, 3> kUnits = {
      {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}}};
  for (const auto& [unit, suffix] : kUnits) {
    if (std::abs(value) >= unit * (1 - 1e-9)) {
      return tick_label(value / unit, std::max(step / unit, 1e-3)) + suffix;
    }
  }
  if (value != 0 && std::abs(value) < 1e-4) return fmt::format("{:.0e}", value);
  const double digits = std::ceil(-std::log10(std::max(step, 1e-6)) - 1e-9);
  const int decimals = std::max(0, static_cast<int>(digits));
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

/// From values to places between `from` and `to`.
class Scale {
 public:
  Scale(const PlotAxis& axis, double from, double to) : axis_(axis), from_(from), to_(to) {}

  bool takes(double value) const { return std::isfinite(value) && (!axis_.log || value > 0); }
  void include(double value) {
    low_ = std::min(low_, value);
    high_ = std::max(high_, value);
  }
  /// A span of some width, `margin` of it free at either end.
  void finish(double margin) {
    if (low_ > high_) low_ = axis_.log ? 1 : 0, high_ = axis_.log ? 10 : 1;
    double a = plain(low_), b = plain(high_);
    if (a == b) {
      const double half = a == 0 ? 1 : std::abs(a) * 0.1;
      a -= half, b += half;
    }
    base_ = a - (b - a) * margin;
    span_ = (b - a) * (1 + 2 * margin);
  }
  double place(double value) const {
    return from_ + (plain(value) - base_) / span_ * (to_ - from_);
  }
  std::vector<std::pair<double, std::string>> ticks() const {
    if (!axis_.ticks.empty()) return axis_.ticks;
    const double low = raw(base_), high = raw(base_ + span_);
    const std::vector<double> values = axis_ticks(low, high, axis_.log, 6);
    std::vector<std::pair<double, std::string>> result;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double step = axis_.log           ? values[i] / 10
                          : values.size() > 1 ? values[1] - values[0]
                                              : std::abs(values[i]) / 100;
      result.emplace_back(values[i], tick_label(values[i], step));
    }
    return result;
  }

 private:
  double plain(double value) const { return axis_.log ? std::log10(value) : value; }
  double raw(double plain) const { return axis_.log ? std::pow(10.0, plain) : plain; }

  const PlotAxis& axis_;
  double from_, to_;
  double low_ = std::numeric_limits<double>::infinity(), high_ = -low_;
  double base_ = 0, span_ = 1;
};

class Chart {
 public:
  explicit Chart(const LinePlot& plot)
      : plot_(plot), x_(plot.x, kLeft, kRight), y_(plot.y, kBottom, kTop) {
    for (const PlotSeries& s : plot.series) {
      KRAIT_REQUIRE(s.x.size() == s.y.size(), "[svg_line_plot] a series has ", s.x.size(),
                    " x and ", s.y.size(), " y.");
      for (std::size_t i = 0; i < s.x.size(); ++i) {
        if (shows(s, i)) x_.include(s.x[i]), y_.include(s.y[i]);
      }
    }
    x_.finish(0.02);
    y_.finish(0.06);
  }

  std::string draw() {
    line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    line(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">",
        kWidth, kHeight);
    line("<title>{}</title>", escape(plot_.title));
    line("<rect width=\"{}\" height=\"{}\" fill=\"#ffffff\"/>", kWidth, kHeight);
    text({.x = kLeft, .y = 30, .size = 17, .colour = kInk, .bold = true}, plot_.title);
    text({.x = kLeft, .y = 51, .size = 12, .colour = kFaint}, plot_.subtitle);
    draw_axes();
    for (std::size_t i = 0; i < plot_.series.size(); ++i) draw_series(plot_.series[i], colour(i));
    draw_legend();
    line("</svg>");
    return out_;
  }

 private:
  struct TextStyle {
    double x, y, size;
    std::string_view colour;
    std::string_view anchor = "start";
    bool bold = false;
    bool upright = false;  // read from below
  };

  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out_ += fmt::format(format, std::forward<Args>(args)...);
    out_ += '\n';
  }
  void text(const TextStyle& s, std::string_view what) {
    if (what.empty()) return;
    const std::string turned =
        s.upright ? fmt::format(" transform=\"rotate(-90 {:.1f} {:.1f})\"", s.x, s.y) : "";
    line(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" fill=\"{}\" text-anchor=\"{}\"{}{}>{}"
        "</text>",
        s.x, s.y, s.size, s.colour, s.anchor, s.bold ? " font-weight=\"600\"" : "", turned,
        escape(what));
  }
  void stroke(double x1, double y1, double x2, double y2, std::string_view colour) {
    line("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"/>", x1, y1,
         x2, y2, colour);
  }
  static std::string_view colour(std::size_t series) { return kColours[series % kColours.size()]; }
  bool shows(const PlotSeries& s, std::size_t i) const {
    return x_.takes(s.x[i]) && y_.takes(s.y[i]);
  }

  void draw_axes() {
    for (const auto& [value, label] : y_.ticks()) {
      const double y = y_.place(value);
      if (y < kTop - 0.5 || y > kBottom + 0.5) continue;
      stroke(kLeft, y, kRight, y, kGrid);
      text({.x = kLeft - 9, .y = y + 4, .size = 12, .colour = kInk, .anchor = "end"}, label);
    }
    stroke(kLeft, kBottom, kRight, kBottom, kInk);
    for (const auto& [value, label] : x_.ticks()) {
      const double x = x_.place(value);
      if (x < kLeft - 0.5 || x > kRight + 0.5) continue;
      stroke(x, kBottom, x, kBottom + 5, kInk);
      text({.x = x, .y = kBottom + 20, .size = 12, .colour = kInk, .anchor = "middle"}, label);
    }
    text({.x = (kLeft + kRight) / 2,
          .y = kHeight - 18,
          .size = 13,
          .colour = kInk,
          .anchor = "middle"},
         plot_.x.label);
    text({.x = 22,
          .y = (kTop + kBottom) / 2,
          .size = 13,
          .colour = kInk,
          .anchor = "middle",
          .upright = true},
         plot_.y.label);
  }

  void draw_series(const PlotSeries& s, std::string_view colour) {
    std::string path, dots;
    bool open = false;
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      if (!shows(s, i)) {
        open = false;
        continue;
      }
      const double x = x_.place(s.x[i]), y = y_.place(s.y[i]);
      path += fmt::format("{}{:.2f} {:.2f}", open ? "L" : "M", x, y);
      dots += fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"3.2\"/>", x, y);
      open = true;
    }
    if (path.empty()) return;
    line(
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-linejoin=\"round\" "
        "stroke-linecap=\"round\"/>",
        path, colour);
    if (plot_.markers) line("<g fill=\"{}\" stroke=\"#ffffff\">{}</g>", colour, dots);
  }

  /// Above the curves at the right, in one row.
  void draw_legend() {
    const auto labelled =
        std::ranges::count_if(plot_.series, [](const PlotSeries& s) { return !s.label.empty(); });
    if (labelled < 2) return;
    double x = kRight;
    for (std::size_t i = plot_.series.size(); i-- > 0;) {
      const std::string& label = plot_.series[i].label;
      if (label.empty()) continue;
      text({.x = x, .y = 69, .size = 12, .colour = kInk, .anchor = "end"}, label);
      x -= 6.6 * static_cast<double>(label.size()) + 8;  // a letter's mean width
      line(
          "<path d=\"M{:.1f} 65H{:.1f}\" stroke=\"{}\" stroke-width=\"3\" "
          "stroke-linecap=\"round\"/>",
          x - 16, x, colour(i));
      x -= 34;
    }
  }

  const LinePlot& plot_;
  Scale x_, y_;
  std::string out_;
};

std::vector<double> log_ticks(double low, double high, int count) {
  constexpr double kAlmostLinear = 3;  // high / low below which equal steps look as equal
  if (high < kAlmostLinear * low) return axis_ticks(low, high, false, count);
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  const double decades = std::log10(high) - std::log10(low);
  const int every = std::max(1, static_cast<int>(std::ceil(decades / count)));
  using Factors = std::vector<double>;
  const Factors factors = decades < 1                                ? Factors{1, 2, 3, 4, 5, 7}
                          : decades < static_cast<double>(count) / 3 ? Factors{1, 2, 5}
                                                                     : Factors{1};
  std::vector<double> ticks;
  for (int decade = first; decade <= last; decade += every) {
    for (const double factor : factors) {
      const double tick = factor * std::pow(10.0, decade);
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push_back(tick);
    }
  }
  return ticks;
}

}  // namespace

std::vector<double> axis_ticks(double low, double high, bool log, int count) {
  KRAIT_REQUIRE(low < high && count > 0 && (!log || low > 0),
                "[axis_ticks] needs a span that the axis can show, got ", low, " to ", high, ".");
  if (log) return log_ticks(low, high, count);
  const double rough = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough * (1 - 1e-9)) step = factor * power;
  }
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-9);
  for (int i = 0; i <= count; ++i) {  // a step is no less than the span / count
    const double tick = (first + i) * step;
    if (tick <= high + 1e-9 * step) ticks.push_back(tick);
  }
  return ticks;
}

std::string svg_line_plot(const LinePlot& plot) {
  return Chart(plot).draw();
}

}  // namespace krait
