// Line charts as SVG files: curves over training, losses by context.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace krait {

/// One curve. Points whose x or y is not finite, or not positive on a logarithmic axis, are left
/// out and interrupt the line. `x` and `y` are of one size.
struct PlotSeries {
  std::string label;  // in the legend; empty: none
  std::vector<double> x, y;
};

struct PlotAxis {
  std::string label;
  bool log = false;  // base 10
  /// Where ticks are and what they say; empty: round numbers, with thousands as k, M and G.
  std::vector<std::pair<double, std::string>> ticks;
};

struct LinePlot {
  std::string title, subtitle;
  PlotAxis x, y;
  std::vector<PlotSeries> series;
  bool markers = false;  // a dot at each point, for curves of few points
};

/// The chart as a whole SVG 1.1 document of 760 by 460 units, valid UTF-8 and well-formed XML
/// whatever the texts hold (bytes that are no UTF-8, and controls, become U+FFFD). Both axes span
/// what the curves do; a legend stands above the curves when more than one has a label. Colours are
/// those of Okabe and Ito, told apart by all eyes.
std::string svg_line_plot(const LinePlot& plot);

/// About `count` round numbers from `low` to `high` inclusive: multiples of 1, 2 or 5 times a power
/// of ten; on a logarithmic axis powers of ten, and multiples of them when they are few.
std::vector<double> axis_ticks(double low, double high, bool log, int count);

}  // namespace krait
