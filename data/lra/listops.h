// The task ListOps.
#pragma once
#include "data/lra/options.h"
#include "data/lra/result.h"

namespace krait {

/// make_lra_sets for ListOps.
LraResult make_listops_sets(const LraOptions& options);

}  // namespace krait
