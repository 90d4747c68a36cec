#include "autograd/operations/linear.h"

#include "autograd/node.h"
#include "autograd/operations/elementwise.h"
#include "autograd/operations/view.h"
#include "kernels/gemm.h"

namespace krait {
namespace {

/// `t` as a matrix of rows; a copy only if its rows are not evenly spaced.
Tensor as_rows(const Tensor& t) {
  const Shape rows{t.shape().rows(), t.size(-1)};
  const bool even = t.rank() <= 2 || t.is_contiguous() ||
                    [&] {  // leading dimensions merge when each steps over the whole next one
                      for (int i = 0; i + 2 < t.rank(); ++i) {
                        if (t.stride(i) != t.size(i + 1) * t.stride(i + 1)) return false;
                      }
                      return true;
                    }();
  const bool dense_rows = t.size(-1) == 1 || t.stride(-1) == 1;
  return (even && dense_rows ? t : dense(t)).reshape(rows);
}

/// Both operands as matrices, with a flag for the second: y = a op(b).
class ProductNode final : public Node {
 public:
  ProductNode(std::vector<Variable> inputs, Tensor a, Tensor b, bool transpose_b)
      : Node(std::move(inputs)), a_(std::move(a)), b_(std::move(b)), transpose_b_(transpose_b) {
    watch(a_), watch(b_);
  }
  std::string_view name() const override { return "linear"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    const Tensor dy = as_rows(grad_outputs[0]);
    write(targets[0], {.a = dy, .b = b_, .transpose_b = !transpose_b_}, ctx);
    write(targets[1],
          transpose_b_ ? Gemm{.a = dy, .b = a_, .transpose_a = true}
                       : Gemm{.a = a_, .b = dy, .transpose_a = true},
          ctx);
  }
  void release() override { a_ = b_ = Tensor(); }

 private:
  static void write(const GradientTarget& target, Gemm product, const ExecutionContext& ctx) {
    if (!target.wanted()) return;
    const Gradient d = target.open_strided();
    product.accumulate = d.accumulates();
    product.c = as_rows_in_place(d.tensor);
    gemm(product, ctx);
  }
  /// A gradient may lie in a slice of a wider buffer, whose rows are evenly spaced.
  static Tensor as_rows_in_place(const Tensor& t) {
    return t.reshape({t.shape().rows(), t.size(-1)});
  }

  Tensor a_, b_;
  bool transpose_b_;
};

Variable product(const Variable& a, const Variable& b, const Shape& y_shape, bool transpose_b) {
  const Tensor rows = as_rows(a.value()), weight = as_rows(b.value());
  const Tensor y = Tensor::empty(y_shape, a.dtype(), a.value().device());
  gemm({.a = rows,
        .b = weight,
        .c = y.reshape({rows.size(0), y_shape[-1]}),
        .transpose_b = transpose_b},
       current_context());
  return record(y, {a, b}, [&](std::vector<Variable> inputs) {
    return std::make_shared<ProductNode>(std::move(inputs), rows, weight, transpose_b);
  });
}

}  // namespace

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  KRAIT_REQUIRE(weight.value().rank() == 2 && x.value().rank() >= 1 && weight.size(1) == x.size(-1),
                "[linear] weight must have shape (n, ", x.size(-1), ") for x of shape ", x.shape(),
                ", got ", weight.shape(), ".");
  Shape y_shape = x.shape();
  y_shape[-1] = weight.size(0);
  const Variable y = product(x, weight, y_shape, true);
  return bias.defined() ? y + cast(bias, y.dtype()) : y;
}

Variable matmul(const Variable& a, const Variable& b) {
  KRAIT_REQUIRE(a.value().rank() == 2 && b.value().rank() == 2 && a.size(1) == b.size(0),
                "[matmul] needs shapes (m, k) and (k, n), got ", a.shape(), " and ", b.shape(),
                ".");
  return product(a, b, {a.size(0), b.size(1)}, false);
}

}  // namespace krait
