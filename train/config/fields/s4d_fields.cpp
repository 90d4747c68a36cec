#include "train/config/section.h"
#include "train/config/sections.h"

namespace krait {

std::vector<Field> s4d_fields() {
  using Role = FieldRole;
  using S = S4dConfig;
  std::vector<Field> fields;
  const Section s4d{"s4d", [](auto& c) { return &c.model.s4d; }, fields};
  s4d.add(Role::FixesRun, "d_state", &S::d_state,
          {.range = between(1, 256),
           .help = "real numbers of a channel's state; even for a complex A"});
  s4d.add(Role::FixesRun, "expand", &S::expand,
          {.range = between(1, 64), .help = "inner channels per channel of d_model"});
  s4d.add(Role::FixesRun, "d_conv", &S::d_conv,
          {.range = between(2, 8), .unit = "positions", .help = "width of the causal convolution"});
  s4d.add(Role::FixesRun, "initial", &S::initial,
          {.help = "where A starts: lin (complex, -1/2 + i pi n) or real (-(n + 1))"});
  s4d.add(Role::FixesRun, "dt_min", &S::dt_min,
          {.range = kPositive, .help = "smallest initial dt (log-uniform draw)"});
  s4d.add(Role::FixesRun, "dt_max", &S::dt_max,
          {.range = kPositive, .help = "largest initial dt (log-uniform draw)"});
  s4d.add(Role::FixesRun, "conv_bias", &S::conv_bias, {.help = "the convolution has a bias"});
  s4d.add(Role::FixesRun, "proj_bias", &S::proj_bias, {.help = "in_proj and out_proj have biases"});
  return fields;
}

}  // namespace krait
