// The task Text: whether a film review is positive.
#pragma once
#include "data/lra/options.h"
#include "data/lra/result.h"

namespace krait {

/// make_lra_sets for Text.
LraResult make_text_sets(const LraOptions& options);

}  // namespace krait
