// Samples of an image task at a glance.
#pragma once
#include <cstdint>

#include "data/labelled_set/labelled_set.h"
#include "data/lra/png.h"

namespace krait {

struct ContactSheet {
  std::int64_t columns = 8;  // images of each class
  std::int64_t scale = 1;    // a pixel becomes scale x scale pixels
};

/// The first images of each class of a set side by side, a row for each class, with grey lines
/// between them. Throws Usage for a set of tokens and for sizes below 1.
GreyImage contact_sheet(const LabelledSet& set, const ContactSheet& sheet);

}  // namespace krait
