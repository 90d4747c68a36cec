#pragma once
#include <string>
#include <vector>

#include "train/evaluate/context_buckets.h"
#include "train/report/svg_plot.h"

namespace krait {

/// The mean losses over the context, a point a bucket.
LinePlot context_plot(const std::vector<ContextBucket>& buckets, std::string title,
                      std::string subtitle);

}  // namespace krait
