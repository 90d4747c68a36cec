#include "data/loader/mixture.h"
#include "train/config/section.h"
#include "train/config/sections.h"

namespace krait {
namespace {

std::optional<TextProblem> check_mixture(std::string_view text) {
  TextProblem problem;
  if (parse_mixture(text, problem)) return std::nullopt;
  return problem;
}

}  // namespace

std::vector<Field> data_fields() {
  using Role = FieldRole;
  using S = Config::Data;
  std::vector<Field> fields;
  const Section data{"data", [](auto& c) { return &c.data; }, fields};
  // A checkpoint knows the tokens of its run, so that the files may move.
  data.add(Role::Local, "train", &S::train,
           {.unit = "path, or a mixture such as web.h5:0.7, code.h5:0.3",
            .help = "token set to train on (krait data build makes one)",
            .required = true})
      .check = check_mixture;
  data.add(Role::Free, "valid", &S::valid,
           {.unit = "path", .help = "token set to evaluate on; empty: none"});
  data.add(Role::FixesRun, "sequence_length", &S::sequence_length,
           {.range = between(1, kMaxSize),
            .unit = "tokens",
            .help = "tokens of one training sequence",
            .required = true});
  data.add(Role::FixesRun, "reset_at_documents", &S::reset_at_documents,
           {.help = "documents packed in one sequence do not see each other"});
  data.add(Role::Local, "verify", &S::verify,
           {.help = "hash all tokens at the start: about 1 s for 3 GB and core"});
  data.add(Role::Local, "prefetch", &S::prefetch,
           {.range = between(0, 64), .unit = "batches", .help = "batches read ahead; 0: none"});
  return fields;
}

}  // namespace krait
