// The task Retrieval: pairs of papers, linked by a citation or not.
#pragma once
#include "data/lra/options.h"
#include "data/lra/result.h"

namespace krait {

/// make_lra_sets for Retrieval.
LraResult make_retrieval_sets(const LraOptions& options);

}  // namespace krait
