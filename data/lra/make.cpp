#include "data/lra/make.h"

#include "core/error.h"
#include "data/lra/image.h"
#include "data/lra/listops.h"
#include "data/lra/pathfinder.h"
#include "data/lra/retrieval.h"
#include "data/lra/text.h"

namespace krait {
namespace {

bool is_generated(LraTask task) {
  return task == LraTask::ListOps || task == LraTask::Pathfinder || task == LraTask::PathX;
}

void check(const LraOptions& o) {
  KRAIT_CHECK(Usage, !o.raw.empty() || is_generated(o.task), name_of(o.task),
              " cannot be generated; name the folder with its released files.");
  KRAIT_CHECK(
      Usage, o.raw.empty() || (!o.write_raw && !o.counts),
      "`raw` files and numbers of `examples` are for generated data, not for data that is read.");
  KRAIT_CHECK(Usage, o.max_length >= 0, "`max_length` must be >= 0, got ", o.max_length, ".");
  if (!o.counts) return;
  for (const std::uint64_t count : *o.counts) {
    KRAIT_CHECK(Usage, count >= 1, "train, valid and test need at least one example each.");
  }
}

}  // namespace

LraResult make_lra_sets(const LraOptions& options) {
  check(options);
  switch (options.task) {
    case LraTask::ListOps:
      return make_listops_sets(options);
    case LraTask::Text:
      return make_text_sets(options);
    case LraTask::Retrieval:
      return make_retrieval_sets(options);
    case LraTask::Image:
      return make_image_sets(options);
    case LraTask::Pathfinder:
    case LraTask::PathX:
      return make_pathfinder_sets(options);
  }
  KRAIT_REQUIRE(false, "[make_lra_sets] there is no task ", static_cast<int>(options.task), ".");
}

}  // namespace krait
