// Line charts as SVG files: curves over training, losses by context.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace krait {

/// One curve. Points whose x or y is not finite, or not positive on a logarithmic axis, are left
/// out and interrupt the line. `x` and `y` are of one size.
struct PlotSeries {
  std::string label;  // for the legend; empty: not listed there
  std::vector<double> x, y;
};

struct PlotAxis {
  std::string label;
  bool log = false;  // base 10
  /// The positions and labels of ticks; empty: round numbers, with thousands as k, M and G.
  std::vector<std::pair<double, std::string>> ticks;
};

struct LinePlot {
  std::string title, subtitle;
  PlotAxis x, y;
  std::vector<PlotSeries> series;
  bool markers = false;  // a dot at each point, for curves of few points
};

/// The chart as a whole SVG 1.1 document of 760 by 460 units, valid UTF-8 and well-formed XML
/// whatever the texts hold (invalid UTF-8 and control characters become U+FFFD). Both axes span the
/// range of the curves; a legend is shown above the curves when more than one has a label. The
/// colours are those of Okabe and Ito, which colour-blind people can tell apart.
std::string svg_line_plot(const LinePlot& plot);

/// About `count` round numbers from `low` to `high` inclusive: multiples of 1, 2 or 5 times a power
/// of ten; on a logarithmic axis powers of ten, and multiples of them when they are few.
std::vector<double> axis_ticks(double low, double high, bool log, int count);

}  // namespace krait
