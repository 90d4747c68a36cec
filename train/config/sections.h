// The sections of a configuration, in the order in which they are printed. Each is defined in
// train/config/fields/; there is no other list of them.
#pragma once
#include <array>
#include <vector>

#include "train/config/field.h"

namespace krait {

std::vector<Field> run_fields();
std::vector<Field> model_fields();
std::vector<Field> s4d_fields();
std::vector<Field> data_fields();
std::vector<Field> train_fields();
std::vector<Field> optimizer_fields();
std::vector<Field> schedule_fields();
std::vector<Field> checkpoint_fields();
std::vector<Field> evaluation_fields();

inline constexpr std::array kSections{run_fields,      model_fields,      s4d_fields,
                                      data_fields,     train_fields,      optimizer_fields,
                                      schedule_fields, checkpoint_fields, evaluation_fields};

}  // namespace krait
