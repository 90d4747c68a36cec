// What make_lra_sets has made.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "data/labelled_set/info.h"
#include "data/lra/provenance.h"

namespace krait {

struct LraResult {
  std::array<LabelledSetInfo, 3> sets;  // train, valid, test
  LraProvenance provenance;
  std::vector<std::string> notes;  // sentences that the user should see
};

}  // namespace krait
