// Matrix products by cuBLASLt. A row-major matrix read column-major is its transpose, so c = op(a)
// op(b) is computed as c^T = op(b)^T op(a)^T: a and b are exchanged, each with its flag.
//
// The algorithm is cuBLASLt's first choice for the case (types, sizes, strides, alignments): a pure
// function of the case, asked for once and never timed, so that every run uses the same one. A
// product split along k keeps its partial sums in the workspace and adds them up in a kernel of its
// own.
#include "kernels/gemm.h"

#include <compare>
#include <cstddef>
#include <map>
#include <mutex>

#include <cublasLt.h>

#include "core/cuda/check.h"
#include "core/cuda/per_device.h"
#include "core/memory/allocator.h"
#include "core/stream/scratch.h"
#include "kernels/copy.h"

namespace krait::cuda {
namespace {

/// What NVIDIA advises for Hopper (cuBLAS manual, cublasSetWorkspace). One size for all products,
/// so that the allocator serves all of them with one block.
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
/// Kernels that copy through the tensor memory accelerator need this of addresses and row strides.
constexpr std::size_t kVectorBytes = 16;

void check_blas(cublasStatus_t status, const char* call, const char* where) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const bool outside = status == CUBLAS_STATUS_ALLOC_FAILED;  // the device is full
  throw Error(outside ? ErrorKind::Io : ErrorKind::Contract,
              str("[cublas] ", cublasLtGetStatusString(status), " (", cublasLtGetStatusName(status),
                  ") in ", call, "."),
              where);
}
#define KRAIT_BLAS_CHECK(call) check_blas((call), #call, __FILE__ ":" KRAIT_STRINGIFY(__LINE__))

std::byte* address_of(const Tensor& t) {
  return t.storage()->data() + static_cast<std::size_t>(t.offset()) * size_of(t.dtype());
}

/// The largest power of two, up to 256, that divides the address.
std::uint32_t alignment_of(const Tensor& t) {
  const auto address = reinterpret_cast<std::uintptr_t>(address_of(t)) | 256;
  return static_cast<std::uint32_t>(address & -address);
}

/// A row-major matrix without its address.
struct Matrix {
  DType dtype;
  std::int64_t rows, columns, stride;
  std::uint32_t alignment;

  explicit Matrix(const Tensor& t)
      : dtype(t.dtype()),
        rows(t.size(0)),
        columns(t.size(1)),
        stride(t.size(0) == 1 ? t.size(1) : t.stride(0)),  // that of a single row may be anything
        alignment(alignment_of(t)) {}
  auto operator<=>(const Matrix&) const = default;
};

/// All that the choice of an algorithm depends on. (cuBLASLt does not ask for beta.)
struct Case {
  Matrix a, b, c;
  bool transpose_a, transpose_b, tf32;
  auto operator<=>(const Case&) const = default;
};

cudaDataType_t data_type(DType t) {
  return t == DType::BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

/// Descriptors, which cuBLASLt lets callers hold by value, and the algorithm.
struct Plan {
  cublasLtMatmulDescOpaque_t product{};
  cublasLtMatrixLayoutOpaque_t a{}, b{}, c{};
  cublasLtMatmulAlgo_t algorithm{};
  bool usable = false;  // false: cuBLASLt has no algorithm for these alignments

  Plan(cublasLtHandle_t blas, const Case& x) {
    const bool tf32 = x.tf32 && x.a.dtype == DType::F32;
    KRAIT_BLAS_CHECK(cublasLtMatmulDescInit(
        &product, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set_transpose(CUBLASLT_MATMUL_DESC_TRANSA, x.transpose_b);
    set_transpose(CUBLASLT_MATMUL_DESC_TRANSB, x.transpose_a);
    set_layout(a, x.a);
    set_layout(b, x.b);
    set_layout(c, x.c);
    choose(blas, x);
  }

 private:
  void set_transpose(cublasLtMatmulDescAttributes_t which, bool transpose) {
    const cublasOperation_t op = transpose ? CUBLAS_OP_T : CUBLAS_OP_N;
    KRAIT_BLAS_CHECK(cublasLtMatmulDescSetAttribute(&product, which, &op, sizeof op));
  }
  static void set_layout(cublasLtMatrixLayoutOpaque_t& layout, const Matrix& x) {
    KRAIT_BLAS_CHECK(cublasLtMatrixLayoutInit(&layout, data_type(x.dtype),
                                              static_cast<std::uint64_t>(x.columns),
                                              static_cast<std::uint64_t>(x.rows), x.stride));
  }

  void choose(cublasLtHandle_t blas, const Case& x) {
    cublasLtMatmulPreferenceOpaque_t preference{};
    KRAIT_BLAS_CHECK(cublasLtMatmulPreferenceInit(&preference));
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t which, const auto& value) {
      KRAIT_BLAS_CHECK(
          cublasLtMatmulPreferenceSetAttribute(&preference, which, &value, sizeof value));
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
    // Left out: INPLACE adds partial sums to c in the order in which counters in memory let blocks
    // pass, and OUTPUT_TYPE rounds them to c's type, which may be bf16.
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
           std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, x.b.alignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, x.a.alignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, x.c.alignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, x.c.alignment);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(blas, &product, &b, &a, &c, &c,
                                                                 &preference, 1, &found, &count);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) KRAIT_BLAS_CHECK(status);
    usable = status == CUBLAS_STATUS_SUCCESS && count == 1 && found.state == CUBLAS_STATUS_SUCCESS;
    algorithm = found.algo;
  }
};

/// The handle of a device and the plans made so far: a kilobyte for every case ever asked for.
class Planner {
 public:
  Planner() { KRAIT_BLAS_CHECK(cublasLtCreate(&handle_)); }  // for the thread's current device

  cublasLtHandle_t handle() const { return handle_; }
  Plan& plan(const Case& x) {
    const std::lock_guard lock(mutex_);
    return plans_.try_emplace(x, handle_, x).first->second;
  }

 private:
  cublasLtHandle_t handle_ = nullptr;
  std::mutex mutex_;
  std::map<Case, Plan> plans_;  // nodes stay where they are
};

/// Under a tool that watches memory, first sets c and the workspace to NaN. initcheck does not see
/// what cuBLASLt's kernels write through the tensor memory accelerator, and would report every
/// reader. An element that a product left out is found nevertheless, since it stays NaN.
void set_for_initcheck(const Gemm& g, std::byte* workspace, const ExecutionContext& ctx) {
  if (allocator(ctx.device).mode() != AllocatorMode::Exact) return;
  const auto stream = static_cast<cudaStream_t>(ctx.stream.handle);
  KRAIT_CUDA_CHECK(cudaMemsetAsync(workspace, 0xFF, kWorkspaceBytes, stream));
  if (g.accumulate) return;
  const auto bytes = [&](std::int64_t n) {
    return static_cast<std::size_t>(n) * size_of(g.c.dtype());
  };
  KRAIT_CUDA_CHECK(cudaMemset2DAsync(address_of(g.c), bytes(Matrix(g.c).stride), 0xFF,
                                     bytes(g.c.size(1)), static_cast<std::size_t>(g.c.size(0)),
                                     stream));
}

/// Computes the product, or returns false when cuBLASLt has no algorithm for it.
bool try_product(const Gemm& g, const ExecutionContext& ctx) {
  auto& planner = per_device<Planner>(ctx.device);
  Plan& p = planner.plan({.a = Matrix(g.a),
                          .b = Matrix(g.b),
                          .c = Matrix(g.c),
                          .transpose_a = g.transpose_a,
                          .transpose_b = g.transpose_b,
                          .tf32 = ctx.tf32});
  if (!p.usable) return false;
  const Scratch<std::byte> workspace(kWorkspaceBytes, ctx);
  const float alpha = 1, beta = g.accumulate ? 1 : 0;
  std::byte* c = address_of(g.c);
  set_for_initcheck(g, workspace.data(), ctx);
  KRAIT_BLAS_CHECK(cublasLtMatmul(planner.handle(), &p.product, &alpha, address_of(g.b), &p.b,
                                  address_of(g.a), &p.a, &beta, c, &p.c, c, &p.c, &p.algorithm,
                                  workspace.data(), kWorkspaceBytes,
                                  static_cast<cudaStream_t>(ctx.stream.handle)));
  return true;
}

/// Uninitialised, of the shape of `t`, with aligned rows.
Tensor aligned_like(const Tensor& t) {
  constexpr std::int64_t kElements = kVectorBytes / 2;  // of the narrowest type
  const std::int64_t stride = (t.size(1) + kElements - 1) / kElements * kElements;
  return Tensor::empty({t.size(0), stride}, t.dtype(), t.device()).slice(1, 0, t.size(1));
}
Tensor aligned_copy(const Tensor& t, const ExecutionContext& ctx) {
  const Tensor y = aligned_like(t);
  krait::copy({.x = t, .y = y}, ctx);
  return y;
}

bool is_aligned(const Tensor& t) {
  const Matrix m(t);
  return m.alignment >= kVectorBytes &&
         static_cast<std::size_t>(m.stride) * size_of(m.dtype) % kVectorBytes == 0;
}
/// cuBLASLt takes no matrix whose rows share memory, as in a broadcast.
bool rows_overlap(const Tensor& t) {
  return t.size(0) > 1 && t.stride(0) < t.size(1);
}

/// The product, computed with aligned copies of the matrices that are not aligned.
void product_of_copies(const Gemm& g, const ExecutionContext& ctx) {
  Gemm copies = g;
  if (!is_aligned(g.a)) copies.a = aligned_copy(g.a, ctx);
  if (!is_aligned(g.b)) copies.b = aligned_copy(g.b, ctx);
  const bool other_c = !is_aligned(g.c);
  if (other_c) copies.c = g.accumulate ? aligned_copy(g.c, ctx) : aligned_like(g.c);
  KRAIT_REQUIRE(try_product(copies, ctx), "[gemm] cuBLASLt has no algorithm for a ", g.a.dtype(),
                " ", g.a.shape(), ", b ", g.b.shape(), ", c ", g.c.dtype(), " ", g.c.shape(), ".");
  if (other_c) krait::copy({.x = copies.c, .y = g.c}, ctx);
}

}  // namespace

void gemm(const Gemm& args, const ExecutionContext& ctx) {
  KRAIT_REQUIRE(args.a.dtype() == DType::F32 || args.a.dtype() == DType::BF16,
                "[gemm] on CUDA dtype must be f32 or bf16, got ", args.a.dtype(), ".");
  if (args.c.numel() == 0) return;
  if (args.a.numel() == 0) {  // k = 0
    if (!args.accumulate) krait::fill({.y = args.c}, ctx);
    return;
  }
  Gemm g = args;
  if (rows_overlap(g.a)) g.a = aligned_copy(g.a, ctx);
  if (rows_overlap(g.b)) g.b = aligned_copy(g.b, ctx);
  if (!try_product(g, ctx)) product_of_copies(g, ctx);
}

}  // namespace krait::cuda
