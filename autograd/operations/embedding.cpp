#include "autograd/operations/embedding.h"

#include "autograd/node.h"
#include "kernels/embedding.h"

namespace krait {
namespace {

class EmbeddingNode final : public Node {
 public:
  EmbeddingNode(std::vector<Variable> inputs, Tensor ids)
      : Node(std::move(inputs)), ids_(std::move(ids)) {
    watch(ids_);
  }
  std::string_view name() const override { return "embedding"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    embedding_backward({.ids = ids_, .dy = grad_outputs[0], .dtable = targets[0].open()}, ctx);
  }
  void release() override { ids_ = Tensor(); }

 private:
  Tensor ids_;
};

}  // namespace

Variable embedding(const Tensor& given, const Variable& table, std::optional<DType> output_dtype) {
  const Tensor ids = dense(given);
  Shape shape = ids.shape();
  shape.push_back(table.size(1));
  const Tensor y =
      Tensor::empty(shape, output_dtype.value_or(table.dtype()), table.value().device());
  embedding_forward({.ids = ids, .table = table.value(), .y = y}, current_context());
  return record(y, {table}, [&](std::vector<Variable> inputs) {
    return std::make_shared<EmbeddingNode>(std::move(inputs), ids);
  });
}

}  // namespace krait
