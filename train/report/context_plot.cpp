#include "train/report/context_plot.h"

#include <cstdint>
#include <limits>
#include <utility>

namespace krait {

LinePlot context_plot(const std::vector<ContextBucket>& buckets, std::string title,
                      std::string subtitle) {
  LinePlot plot{.title = std::move(title),
                .subtitle = std::move(subtitle),
                .x = {.label = "tokens of context (a point: from here to the next)"},
                .y = {.label = "mean loss, nats per token"},
                .markers = true};
  PlotSeries series;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    const ContextBucket& b = buckets[i];
    const auto x = static_cast<double>(i);
    const std::uint64_t k = 1024;
    plot.x.ticks.emplace_back(x, b.from >= k * k ? std::to_string(b.from / (k * k)) + "M"
                                 : b.from >= k   ? std::to_string(b.from / k) + "k"
                                                 : std::to_string(b.from));
    series.x.push_back(x);
    series.y.push_back(b.n_tokens > 0 ? b.mean_loss : std::numeric_limits<double>::quiet_NaN());
  }
  plot.series.push_back(std::move(series));
  return plot;
}

}  // namespace krait
