// Losses by length of context, as a plot.
#pragma once
#include <string>
#include <vector>

#include "train/evaluate/context_buckets.h"
#include "train/report/svg_plot.h"

namespace krait {

/// The mean losses over the context, one point per bucket.
LinePlot context_plot(const std::vector<ContextBucket>& buckets, std::string title,
                      std::string subtitle);

}  // namespace krait
