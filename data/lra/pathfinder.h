// The tasks Pathfinder and Path-X.
#pragma once
#include "data/lra/options.h"
#include "data/lra/result.h"

namespace krait {

/// make_lra_sets for Pathfinder and PathX.
LraResult make_pathfinder_sets(const LraOptions& options);

}  // namespace krait
