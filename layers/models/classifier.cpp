#include "layers/models/classifier.h"

#include "autograd/operations/elementwise.h"
#include "autograd/operations/reduce.h"
#include "autograd/operations/view.h"

namespace krait {

Classifier::Classifier(const ModelConfig& c, std::int64_t classes)
    : backbone_(c),
      head_({.inputs = c.d_model, .outputs = classes, .dtype = c.dtype, .compute = c.compute}) {
  add_child("backbone", backbone_);
  add_child("head", head_);
}

Variable Classifier::pooled(const Tensor& ids, const Tensor& mask, const ModelRun& run) const {
  const Variable hidden = backbone_.forward(ids, run).hidden;  // (b, l, d)
  const std::int64_t batch = hidden.size(0), d = hidden.size(2);
  const Variable weight(mask.reshape({batch, hidden.size(1), 1}));
  const Variable total = sum_to(cast(hidden, mask.dtype()) * weight, {batch, 1, d});
  const Variable mean = total / sum_to(weight, {batch, 1, 1});
  return cast(reshape(mean, {batch, d}), hidden.dtype());
}

Variable Classifier::losses(const Variable& pooled, const Tensor& labels,
                            const CrossEntropyOptions& options) const {
  return linear_cross_entropy(pooled, head_.weight(), labels, options);
}

}  // namespace krait
