#include "core/tensor/tensor.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/memory/allocator.h"
#include "tests/support/device.h"

namespace krait {
namespace {

Tensor counting(const Shape& shape) {
  const Tensor t = Tensor::empty(shape, DType::F32);
  for (std::int64_t i = 0; i < t.numel(); ++i) t.data<float>()[i] = static_cast<float>(i);
  return t;
}

void collect(const Tensor& t, int dim, std::int64_t offset, std::vector<float>& out) {
  if (dim == t.rank()) {
    out.push_back(t.data<float>()[offset]);
    return;
  }
  for (std::int64_t i = 0; i < t.size(dim); ++i) {
    collect(t, dim + 1, offset + i * t.stride(dim), out);
  }
}
/// The elements in row-major order, read through the strides.
std::vector<float> elements(const Tensor& t) {
  std::vector<float> out;
  collect(t, 0, 0, out);
  return out;
}

template <class F>
void expect_error(F&& call, const std::string& text) {
  try {
    call();
    FAIL() << "nothing was thrown; expected: " << text;
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    EXPECT_EQ(e.kind(), ErrorKind::Contract);
  }
}

TEST(Tensor, AnUndefinedOneHoldsNothing) {
  const Tensor t;
  EXPECT_FALSE(t.defined());
  EXPECT_EQ(t.numel(), 0);
  EXPECT_EQ(t.bytes(), 0u);
  expect_error([&] { t.data<float>(); }, "[Tensor::data] the tensor is undefined.");
}

TEST(Tensor, FromKeepsValuesAndChecksTheirCount) {
  const Tensor t = Tensor::from<std::int32_t>({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(t.dtype(), DType::I32);
  EXPECT_EQ(t.data<std::int32_t>()[3], 4);
  EXPECT_EQ(t.bytes(), 16u);
  expect_error(
      [] {
        Tensor::from<float>({3}, {1.0f, 2.0f});
      },
      "[Tensor::from] shape (3) needs 3 values, got 2.");
}

TEST(Tensor, CopiesShareTheMemory) {
  const Tensor a = Tensor::zeros({3}, DType::F32), b = a;
  a.data<float>()[1] = 5;
  EXPECT_EQ(b.data<float>()[1], 5);
  EXPECT_EQ(a.storage(), b.storage());
}

TEST(Tensor, MemoryGoesBackWithTheLastTensor) {
  const std::size_t before = allocator(Device{}).statistics().active;
  {
    Tensor view;
    {
      const Tensor t = Tensor::zeros({1000}, DType::F64);
      view = t.slice(0, 10, 20);
    }
    EXPECT_GE(allocator(Device{}).statistics().active, before + 8000);
  }
  EXPECT_EQ(allocator(Device{}).statistics().active, before);
}

TEST(Tensor, DataChecksTheType) {
  expect_error([] { Tensor::zeros({1}, DType::F32).data<double>(); },
               "[Tensor::data] the tensor holds f32, asked for f64.");
}

TEST(Tensor, NegativeSizesAreRejected) {
  expect_error(
      [] {
        Tensor::empty({2, -1}, DType::F32);
      },
      "[Tensor::empty] sizes must be >= 0, got (2, -1).");
}

TEST(Tensor, SliceSelectAndTransposeAreViews) {
  const Tensor t = counting({2, 3, 4});
  EXPECT_EQ(elements(t.slice(1, 1, 3)),
            (std::vector<float>{4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23}));
  EXPECT_EQ(elements(t.slice(-1, 3, 4)), (std::vector<float>{3, 7, 11, 15, 19, 23}));
  EXPECT_EQ(elements(t.select(1, 2)), (std::vector<float>{8, 9, 10, 11, 20, 21, 22, 23}));
  EXPECT_EQ(t.select(-1, 0).shape(), (Shape{2, 3}));
  EXPECT_EQ(elements(t.select(0, 1).transpose(0, 1)),
            (std::vector<float>{12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23}));
  EXPECT_EQ(t.slice(0, 1, 1).numel(), 0);
  EXPECT_EQ(t.slice(1, 1, 3).storage(), t.storage());
  t.slice(1, 1, 2).data<float>()[0] = -1;
  EXPECT_EQ(t.data<float>()[4], -1);
}

TEST(Tensor, ViewsOutOfRangeAreRejectedWithTheirNumbers) {
  const Tensor t = counting({2, 3});
  expect_error([&] { t.slice(1, 1, 4); },
               "[Tensor::slice] range [1, 4) is out of range for dimension 1 of (2, 3).");
  expect_error([&] { t.slice(0, 2, 1); }, "[Tensor::slice] range [2, 1)");
  expect_error([&] { t.slice(2, 0, 1); },
               "[Tensor::slice] dimension 2 is out of range for shape (2, 3).");
  expect_error([&] { t.select(0, 2); }, "[Tensor::select] index 2 is out of range");
  expect_error([&] { t.transpose(0, -3); }, "[Tensor::transpose] dimension -3 is out of range");
}

TEST(Tensor, ContiguityIgnoresSizesOfOne) {
  const Tensor t = counting({2, 3, 4});
  EXPECT_TRUE(t.is_contiguous());
  EXPECT_FALSE(t.transpose(0, 1).is_contiguous());
  EXPECT_FALSE(t.slice(2, 0, 2).is_contiguous());
  EXPECT_TRUE(t.slice(0, 1, 2).is_contiguous());
  EXPECT_TRUE(counting({3, 1}).transpose(0, 1).is_contiguous());
  EXPECT_TRUE(counting({1, 5}).slice(1, 1, 3).is_contiguous());
  EXPECT_TRUE(counting({2, 3}).transpose(0, 1).slice(0, 1, 1).is_contiguous());
}

TEST(Tensor, SpanNeedsContiguity) {
  const Tensor t = counting({2, 3});
  EXPECT_EQ(t.slice(0, 1, 2).span<float>()[0], 3);
  expect_error([&] { t.transpose(0, 1).span<float>(); },
               "[Tensor::span] needs a contiguous CPU tensor, got shape (3, 2) strides (1, 3)");
}

TEST(Tensor, ReshapeInfersOneSize) {
  const Tensor t = counting({2, 3, 4});
  EXPECT_EQ(t.reshape({-1, 4}).shape(), (Shape{6, 4}));
  EXPECT_EQ(t.reshape({4, 6}).storage(), t.storage());
  EXPECT_EQ(elements(t.reshape({24})), elements(t));
  expect_error(
      [&] {
        t.reshape({5, -1});
      },
      "[Tensor::reshape] (2, 3, 4) has 24 elements and cannot take shape (5, -1).");
  expect_error([&] { t.reshape({-1, -1}); }, "[Tensor::reshape] at most one size may be -1");
  expect_error([&] { t.reshape({5, 5}); }, "has 24 elements and cannot take shape (5, 5)");
}

TEST(Tensor, ReshapeSplitsAndMergesStridedDimensions) {
  const Tensor t = counting({4, 6, 5}).slice(2, 0, 2);  // strides (30, 5, 1)
  for (const Shape& shape : {Shape{24, 2}, Shape{2, 2, 6, 2}, Shape{8, 3, 2}, Shape{24, 1, 2},
                             Shape{1, 4, 6, 2, 1}, Shape{4, 3, 2, 2}, Shape{12, 2, 2}}) {
    const Tensor r = t.reshape(shape);
    EXPECT_EQ(r.shape(), shape);
    EXPECT_EQ(r.storage(), t.storage());
    EXPECT_EQ(elements(r), elements(t)) << shape;
  }
  expect_error([&] { t.reshape({4, 12}); }, "cannot be seen as (4, 12) without a copy.");
  expect_error([&] { t.transpose(0, 1).reshape({24, 2}); }, "without a copy.");
  const Tensor repeated = counting({3, 1}).expand({3, 4});
  EXPECT_EQ(elements(repeated.reshape({3, 2, 2})), elements(repeated));
  expect_error([&] { repeated.reshape({12}); }, "without a copy.");
}

TEST(Tensor, ReshapeOfNoElements) {
  const Tensor t = Tensor::empty({0, 3}, DType::F32);
  EXPECT_EQ(t.reshape({3, 0}).shape(), (Shape{3, 0}));
  EXPECT_EQ(t.reshape({0}).shape(), (Shape{0}));
  EXPECT_EQ(t.transpose(0, 1).reshape({0, 5}).shape(), (Shape{0, 5}));
}

TEST(Tensor, ExpandRepeatsSizesOfOneAndLeadingDimensions) {
  const Tensor t = counting({3, 1});
  EXPECT_EQ(elements(t.expand({2, 3, 2})),
            (std::vector<float>{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(t.expand({2, 3, 2}).strides(), (Shape{0, 1, 0}));
  EXPECT_EQ(elements(counting({}).expand({3})), (std::vector<float>{0, 0, 0}));
  expect_error([&] { t.expand({2, 4}); }, "[Tensor::expand] shapes (3, 1) and (2, 4) do not");
  expect_error([&] { counting({3}).expand({1}); }, "[Tensor::expand] (3) does not expand to (1).");
  expect_error([&] { counting({2, 3}).expand({3}); }, "(2, 3) does not expand to (3).");
}

TEST(Tensor, ViewLaysTensorsIntoAFlatBuffer) {
  const Tensor flat = counting({10});
  const Tensor view = flat.view(3, {2, 3});
  EXPECT_EQ(elements(view), (std::vector<float>{3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(elements(view.view(1, {2})), (std::vector<float>{4, 5}));
  EXPECT_EQ(view.offset(), 3);
  expect_error([&] { flat.view(5, {2, 3}); }, "[Tensor::view] (2, 3) at 5 does not fit into (10).");
  expect_error([&] { flat.view(-1, {2}); }, "[Tensor::view] (2) at -1");
}

TEST(Tensor, ItemReadsTheOnlyElementOfAnyType) {
  EXPECT_EQ(Tensor::from<float>({1, 1}, {2.5f}).item(), 2.5);
  EXPECT_EQ(Tensor::from<double>({}, {0.1}).item(), 0.1);
  EXPECT_EQ(Tensor::from<std::int32_t>({1}, {-3}).item(), -3);
  EXPECT_EQ(Tensor::from<std::int64_t>({1}, {std::int64_t{1} << 40}).item(), 0x1p40);
  EXPECT_EQ(Tensor::from<std::uint8_t>({1}, {std::uint8_t{200}}).item(), 200);
  EXPECT_EQ(Tensor::from<BFloat16>({1}, {BFloat16(1.5f)}).item(), 1.5);
  EXPECT_EQ(counting({5}).slice(0, 3, 4).item(), 3);
  expect_error([] { counting({2}).item(); }, "[Tensor::item] needs one element, got shape (2).");
}

TEST(Tensor, ZeroClearsAViewOnlyAndCountsAsAChange) {
  const Tensor t = counting({3, 2});
  const std::uint64_t version = t.storage()->version();
  t.slice(0, 1, 2).zero();
  EXPECT_EQ(elements(t), (std::vector<float>{0, 1, 0, 0, 4, 5}));
  EXPECT_EQ(t.storage()->version(), version + 1);
  t.bump_version();
  EXPECT_EQ(t.slice(0, 0, 1).storage()->version(), version + 2) << "views share the count";
  expect_error([&] { t.transpose(0, 1).zero(); },
               "[Tensor::zero] needs contiguity, got shape (2, 3) strides");
}

TEST(Tensor, ToTheSameDeviceIsTheTensorItself) {
  const Tensor t = counting({2, 3});
  EXPECT_EQ(t.to({}).storage(), t.storage());
  EXPECT_FALSE(Tensor().to({}).defined());
}

/// There and back, with its strides.
void expect_round_trip(const Tensor& t) {
  const Tensor there = t.to(testing::kGpu);
  EXPECT_EQ(there.device(), testing::kGpu);
  EXPECT_EQ(there.shape(), t.shape());
  EXPECT_EQ(there.strides(), t.strides());
  EXPECT_EQ(there.dtype(), t.dtype());
  const Tensor back = there.to({});
  EXPECT_EQ(back.device(), Device{});
  EXPECT_EQ(back.strides(), t.strides());
  EXPECT_EQ(elements(back), elements(t)) << t.shape() << " strides " << t.strides();
}

TEST(GpuTensor, ToKeepsValuesAndStridesOfViews) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Tensor t = counting({4, 5, 6});
  expect_round_trip(t);
  expect_round_trip(t.slice(0, 1, 3));
  expect_round_trip(t.slice(1, 2, 4).slice(2, 1, 6));
  expect_round_trip(t.transpose(0, 2));
  expect_round_trip(t.transpose(0, 1).slice(0, 3, 5));
  expect_round_trip(t.select(1, 4));
  expect_round_trip(t.slice(2, 5, 6).expand({2, 4, 5, 3}));
  expect_round_trip(t.slice(1, 2, 2));
  expect_round_trip(counting({}));
  expect_round_trip(counting({0, 3}));
}

TEST(GpuTensor, ToMakesACopyThatIsItsOwn) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Tensor host = counting({1000});
  const Tensor gpu = host.to(testing::kGpu);
  EXPECT_EQ(gpu.to(testing::kGpu).storage(), gpu.storage());
  host.zero();  // the copy was submitted, and must not see this
  const Tensor back = gpu.to({});
  EXPECT_EQ(elements(back), elements(counting({1000})));
  gpu.zero();
  EXPECT_EQ(elements(back), elements(counting({1000})));
}

TEST(GpuTensor, ItemReadsTheElementOfAViewOfAnyType) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Device gpu = testing::kGpu;
  EXPECT_EQ(counting({2, 5}).to(gpu).select(0, 1).slice(0, 3, 4).item(), 8);
  EXPECT_EQ(Tensor::from<double>({}, {0.1}).to(gpu).item(), 0.1);
  EXPECT_EQ(Tensor::from<std::int64_t>({1}, {std::int64_t{1} << 40}).to(gpu).item(), 0x1p40);
  EXPECT_EQ(Tensor::from<std::uint8_t>({1}, {std::uint8_t{200}}).to(gpu).item(), 200);
  EXPECT_EQ(Tensor::from<BFloat16>({1}, {BFloat16(1.5f)}).to(gpu).item(), 1.5);
}

TEST(GpuTensor, ZeroClearsAViewOnlyAndCountsAsAChange) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Tensor t = counting({3, 2}).to(testing::kGpu);
  const std::uint64_t version = t.storage()->version();
  t.slice(0, 1, 2).zero();
  EXPECT_EQ(elements(t.to({})), (std::vector<float>{0, 1, 0, 0, 4, 5}));
  EXPECT_EQ(t.storage()->version(), version + 1);
  t.slice(0, 1, 1).zero();  // nothing
  EXPECT_EQ(elements(t.to({})), (std::vector<float>{0, 1, 0, 0, 4, 5}));
  const Tensor zeros = Tensor::zeros({100000}, DType::F32, testing::kGpu).to({});
  EXPECT_EQ(elements(zeros), std::vector<float>(100000));
}

TEST(GpuTensor, HostAccessIsRefused) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Tensor t = counting({2}).to(testing::kGpu);
  expect_error([&] { t.span<float>(); }, "[Tensor::span] needs a contiguous CPU tensor");
}

TEST(BroadcastShape, FollowsNumPy) {
  EXPECT_EQ(broadcast_shape({2, 3}, {3}, "op"), (Shape{2, 3}));
  EXPECT_EQ(broadcast_shape({3}, {2, 1}, "op"), (Shape{2, 3}));
  EXPECT_EQ(broadcast_shape({}, {2, 1}, "op"), (Shape{2, 1}));
  EXPECT_EQ(broadcast_shape({4, 1, 3}, {1, 5, 1}, "op"), (Shape{4, 5, 3}));
  EXPECT_EQ(broadcast_shape({0, 1}, {1, 3}, "op"), (Shape{0, 3}));
  expect_error(
      [] {
        broadcast_shape({2, 3}, {2}, "op");
      },
      "[op] shapes (2, 3) and (2) do not broadcast.");
  expect_error([] { broadcast_shape({0}, {2}, "op"); }, "do not broadcast.");
}

TEST(ContiguousStrides, AreProductsOfTheInnerSizes) {
  EXPECT_EQ(contiguous_strides({2, 3, 4}), (Shape{12, 4, 1}));
  EXPECT_EQ(contiguous_strides({}), Shape{});
}

}  // namespace
}  // namespace krait
