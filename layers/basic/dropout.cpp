#include "layers/basic/dropout.h"

#include "autograd/operations/dropout.h"

namespace krait {
namespace {

struct Pass {
  bool active = false;
  std::uint64_t seed = 0, number = 0;
};
thread_local Pass current;

constexpr int kOffsetBits = 40;  // a mask may use 2^40 counters, 4 elements each

}  // namespace

TrainingScope::TrainingScope(std::uint64_t seed, std::uint64_t pass) {
  KRAIT_REQUIRE(!current.active, "[TrainingScope] scopes do not nest.");
  current = {.active = true, .seed = seed, .number = pass};
}
TrainingScope::~TrainingScope() {
  current = {};
}

Variable Dropout::forward(const Variable& x) const {
  if (p_ == 0 || !current.active) return x;
  return dropout(x, p_, {current.seed, RandomPurpose::Dropout, site_},
                 current.number << kOffsetBits);
}

}  // namespace krait
