#include "train/config/section.h"
#include "train/config/sections.h"

namespace krait {

std::vector<Field> run_fields() {
  using Role = FieldRole;
  using S = Config::Run;
  std::vector<Field> fields;
  const Section run{"run", [](auto& c) { return &c.run; }, fields};
  run.add(Role::Local, "directory", &S::directory,
          {.unit = "path",
           .help = "where the run keeps checkpoints, metrics and logs",
           .required = true});
  run.add(Role::FixesRun, "seed", &S::seed,
          {.range = between(0, kMaxSeed),
           .help = "seed of initialisation, shuffling, dropout and sampling"});
  run.add(Role::Local, "threads", &S::threads,
          {.range = between(0, 4096),
           .unit = "threads",
           .help = "CPU threads; 0: KRAIT_THREADS, else all cores. Never changes a result"});
  run.add(Role::Local, "device", &S::device,
          {.help = "where to compute; auto: cuda where there is a GPU (the first one), else cpu"});
  run.add(Role::Local, "profile_ranges", &S::profile_ranges,
          {.help = "name the parts of a step for Nsight Systems (NVTX)"});
  return fields;
}

}  // namespace krait
