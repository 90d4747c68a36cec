#include "layers/basic/dropout.h"

#include <utility>

#include "autograd/operations/dropout.h"

namespace krait {
namespace {

struct Pass {
  bool active = false;
  std::uint64_t seed = 0, number = 0;
  Tensor base;
};
thread_local Pass current;

}  // namespace

TrainingScope::TrainingScope(std::uint64_t seed, std::uint64_t pass, Tensor base) {
  KRAIT_REQUIRE(!current.active, "[TrainingScope] scopes do not nest.");
  current = {.active = true, .seed = seed, .number = pass, .base = std::move(base)};
}
TrainingScope::~TrainingScope() {
  current = {};
}

Variable Dropout::forward(const Variable& x) const {
  if (p_ == 0 || !current.active) return x;
  return dropout(x, p_, {current.seed, RandomPurpose::Dropout, site_},
                 current.number << kDropoutPassBits, current.base);
}

}  // namespace krait
