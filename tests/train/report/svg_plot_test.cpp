#include "train/report/svg_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace krait {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// What keeps `xml` from being well-formed, as far as a plot can go wrong; empty when nothing does.
std::string fault(std::string_view xml) {
  static const std::regex tag(
      R"re(<(/?)([a-z]+)((?: [a-zA-Z][a-zA-Z0-9-]*="(?:[^<&"]|&(?:amp|lt|gt|quot);)*")*)(/?)>)re");
  static const std::regex text(R"re((?:[^<&>]|&(?:amp|lt|gt|quot);)*)re");
  constexpr std::string_view kHead = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  if (!xml.starts_with(kHead)) return "no XML declaration";
  xml.remove_prefix(kHead.size());
  std::vector<std::string> open;
  std::cmatch match;
  while (!xml.empty()) {
    const std::string_view between = xml.substr(0, xml.find('<'));
    if (!std::regex_match(between.begin(), between.end(), text)) return std::string(between);
    xml.remove_prefix(between.size());
    if (xml.empty()) break;
    if (open.empty() && !between.empty() && between != "\n") return "text outside";
    if (!std::regex_search(xml.begin(), xml.end(), match, tag,
                           std::regex_constants::match_continuous)) {
      return std::string(xml.substr(0, 80));
    }
    if (match.length(1) == 0 && match.length(4) == 0) {
      open.push_back(match[2]);
    } else if (match.length(1) != 0) {
      if (open.empty() || open.back() != match[2])
        return "</" + match[2].str() + "> closes nothing";
      open.pop_back();
    }
    xml.remove_prefix(static_cast<std::size_t>(match.length(0)));
  }
  return open.empty() ? "" : open.back() + " is not closed";
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; ++at) ++n;
  return n;
}

LinePlot curves() {
  return {.title = "Loss & <time>",
          .subtitle = "\"quoted\" \xff\x01 caf\u00e9",
          .x = {.label = "step"},
          .y = {.label = "loss", .log = true},
          .series = {{.label = "a", .x = {0, 1, 2, 3}, .y = {8, 4, 2, 1}},
                     {.label = "b<", .x = {0, 1, 2, 3}, .y = {9, kNaN, 3, 2}}},
          .markers = true};
}

TEST(SvgPlot, IsWellFormedWhateverTheTextsHold) {
  const std::string svg = svg_line_plot(curves());
  EXPECT_EQ(fault(svg), "");
  EXPECT_NE(svg.find("Loss &amp; &lt;time&gt;"), std::string::npos);
  EXPECT_NE(svg.find("&quot;quoted&quot; \ufffd\ufffd caf\u00e9"), std::string::npos);
  EXPECT_NE(svg.find("b&lt;"), std::string::npos);
  EXPECT_EQ(fault("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a><b></a>"), "</a> closes nothing");
  EXPECT_NE(fault("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>&</a>"), "");
}

TEST(SvgPlot, APointThatIsNoNumberInterruptsTheLine) {
  const std::string svg = svg_line_plot(curves());
  EXPECT_EQ(count(svg, "<circle"), 7u);
  const std::regex second(R"re(<path d="M[^M]*M[^M"]*" fill="none" stroke="#d55e00")re");
  EXPECT_TRUE(std::regex_search(svg, second)) << svg;
  LinePlot plot = curves();
  plot.series[0].y[3] = 0;  // has no place on a logarithmic axis
  plot.series[1].x[0] = std::numeric_limits<double>::infinity();
  EXPECT_EQ(count(svg_line_plot(plot), "<circle"), 5u);
}

TEST(SvgPlot, PlacesPointsInProportionUpwardsAndInsideTheFrame) {
  LinePlot plot{
      .x = {.label = "x"}, .y = {.label = "y"}, .series = {{.x = {0, 1, 4}, .y = {0, 1, 4}}}};
  std::smatch match;
  const std::regex path(R"re(<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)")re");
  const auto points = [&](const std::string& svg) {
    std::vector<double> values;
    EXPECT_TRUE(std::regex_search(svg, match, path)) << svg;
    for (std::size_t i = 1; i < match.size(); ++i) values.push_back(std::stod(match[i]));
    return values;
  };
  auto p = points(svg_line_plot(plot));
  ASSERT_EQ(p.size(), 6u);
  EXPECT_NEAR((p[2] - p[0]) * 4, p[4] - p[0], 0.05);  // two decimals
  EXPECT_NEAR((p[3] - p[1]) * 4, p[5] - p[1], 0.05);
  EXPECT_GT(p[4], p[0]);
  EXPECT_LT(p[5], p[1]);
  for (const double v : p) EXPECT_TRUE(v > 60 && v < 760) << v;
  plot.y.log = true;
  plot.series[0].y = {1, 10, 10000};
  p = points(svg_line_plot(plot));
  EXPECT_NEAR((p[3] - p[1]) * 4, p[5] - p[1], 0.05);
}

TEST(SvgPlot, NothingAndASinglePointAreDrawnToo) {
  EXPECT_EQ(fault(svg_line_plot({})), "");
  EXPECT_EQ(fault(svg_line_plot({.y = {.log = true}, .series = {{}}})), "");
  for (const double y : {0.0, 3.0, -1e-30, 1e300}) {
    const std::string svg = svg_line_plot({.series = {{.x = {5}, .y = {y}}}, .markers = true});
    EXPECT_EQ(fault(svg), "");
    EXPECT_EQ(count(svg, "<circle"), 1u);
    EXPECT_EQ(count(svg, "nan") + count(svg, "inf"), 0u) << svg;
  }
}

TEST(SvgPlot, ALegendStandsOnlyWhereThereIsSomethingToTellApart) {
  LinePlot plot = curves();
  const auto without = count(svg_line_plot(plot), "stroke-width=\"3\"");
  EXPECT_EQ(without, 2u);
  plot.series.pop_back();
  EXPECT_EQ(count(svg_line_plot(plot), "stroke-width=\"3\""), 0u);
}

TEST(SvgPlot, TicksAreRoundNumbersInsideTheSpan) {
  using Ticks = std::vector<double>;
  const auto near = [](const Ticks& found, const Ticks& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], 1e-9 * std::max(1.0, std::abs(expected[i])));
    }
  };
  near(axis_ticks(0, 10, false, 5), {0, 2, 4, 6, 8, 10});
  near(axis_ticks(-0.31, 0.49, false, 4), {-0.2, 0, 0.2, 0.4});
  near(axis_ticks(1234, 1290, false, 6), {1240, 1250, 1260, 1270, 1280, 1290});
  near(axis_ticks(1, 1e4, true, 6), {1, 10, 100, 1000, 1e4});
  near(axis_ticks(2, 30, true, 6), {2, 5, 10, 20});
  near(axis_ticks(1.5, 8, true, 6), {2, 3, 4, 5, 7});
  EXPECT_LE(axis_ticks(1e300, std::nextafter(1e300, 2e300), false, 6).size(), 7u);  // ends
  near(axis_ticks(2, 4, true, 6), {2, 2.5, 3, 3.5, 4});
  near(axis_ticks(1e-12, 1e12, true, 6), {1e-12, 1e-8, 1e-4, 1, 1e4, 1e8, 1e12});
}

TEST(SvgPlot, LabelsAreShort) {
  const std::string svg =
      svg_line_plot({.series = {{.x = {0, 4e6}, .y = {1500, 4000}}, {.x = {0}, .y = {1400.5}}}});
  for (const char* label : {">1M<", ">4M<", ">2k<", ">1.5k<", ">0<"}) {
    EXPECT_NE(svg.find(label), std::string::npos) << label << svg;
  }
}

}  // namespace
}  // namespace krait
