#include "train/step/step_scalars.h"

#include "kernels/copy.h"

namespace krait {

StepScalars::StepScalars(DType dtype, Device device)
    : number_(Tensor::zeros({1}, DType::I64, device)),
      pass_(Tensor::zeros({1}, DType::I64, device)),
      learning_rate_(Tensor::zeros({1}, dtype, device)),
      loss_weight_(Tensor::zeros({1}, dtype, device)) {}

void StepScalars::set(const Values& values) const {
  const ExecutionContext& ctx = current_context();
  fill({.y = number_, .value = static_cast<double>(values.number)}, ctx);
  fill({.y = pass_, .value = static_cast<double>(values.pass)}, ctx);
  fill({.y = learning_rate_, .value = values.learning_rate}, ctx);
  fill({.y = loss_weight_, .value = values.loss_weight}, ctx);
}

}  // namespace krait
