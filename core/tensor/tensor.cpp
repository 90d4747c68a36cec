#include "core/tensor/tensor.h"

#include <algorithm>
#include <cstring>

#include "core/memory/allocator.h"
#include "core/memory/memory.h"

namespace krait {

Storage::Storage(std::size_t bytes, Device device, CachingAllocator& allocator)
    : allocator_(allocator),
      data_(static_cast<std::byte*>(allocator.allocate(bytes))),
      bytes_(bytes),
      device_(device) {}

Storage::~Storage() {
  allocator_.deallocate(data_, bytes_);
}

Shape contiguous_strides(const Shape& shape) {
  Shape strides = shape;
  std::int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

Shape broadcast_shape(const Shape& a, const Shape& b, std::string_view op) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape out = longer;
  for (int i = 1; i <= shorter.rank(); ++i) {
    const std::int64_t x = longer[-i], y = shorter[-i];
    KRAIT_REQUIRE(x == y || x == 1 || y == 1, "[", op, "] shapes ", a, " and ", b,
                  " do not broadcast.");
    out[-i] = x == 1 ? y : x;
  }
  return out;
}

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  return allocate(shape, dtype, device, allocator(device));
}

Tensor Tensor::pinned(const Shape& shape, DType dtype) {
  return allocate(shape, dtype, {}, pinned_allocator());
}

Tensor Tensor::allocate(const Shape& shape, DType dtype, Device device,
                        CachingAllocator& allocator) {
  for (const std::int64_t s : shape) {
    KRAIT_REQUIRE(s >= 0, "[Tensor::empty] sizes must be >= 0, got ", shape, ".");
  }
  Tensor t;
  t.storage_ = std::make_shared<Storage>(static_cast<std::size_t>(shape.numel()) * size_of(dtype),
                                         device, allocator);
  t.shape_ = shape;
  t.strides_ = contiguous_strides(shape);
  t.dtype_ = dtype;
  return t;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  t.zero();
  return t;
}

bool Tensor::is_contiguous() const {
  if (numel() == 0) return true;
  std::int64_t step = 1;
  for (int i = shape_.rank() - 1; i >= 0; --i) {
    if (shape_[i] != 1 && strides_[i] != step) return false;
    step *= shape_[i];
  }
  return true;
}

double Tensor::item() const {
  KRAIT_REQUIRE(numel() == 1, "[Tensor::item] needs one element, got shape ", shape_, ".");
  if (device().is_cuda()) return to({}).item();
  switch (dtype_) {
    case DType::F32:
      return *data<float>();
    case DType::F64:
      return *data<double>();
    case DType::BF16:
      return static_cast<float>(*data<BFloat16>());
    case DType::I32:
      return *data<std::int32_t>();
    case DType::I64:
      return static_cast<double>(*data<std::int64_t>());
    case DType::U8:
      return *data<std::uint8_t>();
  }
  return 0;
}

Tensor Tensor::to(Device target) const {
  if (!defined() || device() == target) return *this;
  std::int64_t span = numel() == 0 ? 0 : 1;  // from the first to the last element
  for (int i = 0; span > 0 && i < rank(); ++i) span += (shape_[i] - 1) * strides_[i];
  Tensor t = empty({span}, dtype_, target);
  const std::size_t item = size_of(dtype_);
  copy_memory(
      {.to = t.storage_->data(), .device = target},
      {.from = storage_->data() + static_cast<std::size_t>(offset_) * item, .device = device()},
      static_cast<std::size_t>(span) * item);
  return t.view_of(shape_, strides_, 0);
}

Tensor Tensor::view_of(const Shape& shape, const Shape& strides, std::int64_t offset) const {
  Tensor t = *this;
  t.shape_ = shape;
  t.strides_ = strides;
  t.offset_ = offset;
  return t;
}

int Tensor::dimension(int dim, const char* op) const {
  const int d = dim < 0 ? dim + rank() : dim;
  KRAIT_REQUIRE(d >= 0 && d < rank(), "[Tensor::", op, "] dimension ", dim,
                " is out of range for shape ", shape_, ".");
  return d;
}

namespace {

/// Finds strides that show memory of `shape` and `strides` as `target`; false if there are none.
/// Dimensions can always be split, and merged where the outer stride is the inner size times the
/// inner stride.
bool strides_for_view(const Shape& shape, const Shape& strides, const Shape& target, Shape* out) {
  *out = target;
  int dim = shape.rank() - 1, to = target.rank() - 1;
  while (dim >= 0) {
    std::int64_t size = shape[dim];  // of a run of mergeable dimensions that ends at `dim`
    const std::int64_t step = strides[dim];
    while (dim > 0 && (shape[dim - 1] == 1 || size == 1 || strides[dim - 1] == size * step)) {
      if (size == 1 && shape[dim - 1] != 1) break;
      size *= shape[--dim];
    }
    std::int64_t covered = 1;
    while (to >= 0 && (covered < size || target[to] == 1)) {
      (*out)[to] = step * covered;
      covered *= target[to--];
    }
    if (covered != size) return false;
    --dim;
  }
  for (; to >= 0; --to) (*out)[to] = 1;  // leading sizes of 1
  return true;
}

}  // namespace

std::optional<Tensor> Tensor::try_reshape(Shape shape) const {
  int inferred = -1;
  std::int64_t known = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == -1) {
      KRAIT_REQUIRE(inferred < 0, "[Tensor::reshape] at most one size may be -1, got ", shape, ".");
      inferred = i;
    } else {
      known *= shape[i];
    }
  }
  if (inferred >= 0 && known > 0 && numel() % known == 0) shape[inferred] = numel() / known;
  KRAIT_REQUIRE(shape.numel() == numel(), "[Tensor::reshape] ", shape_, " has ", numel(),
                " elements and cannot take shape ", shape, ".");
  if (is_contiguous()) return view_of(shape, contiguous_strides(shape), offset_);
  Shape strides;
  if (!strides_for_view(shape_, strides_, shape, &strides)) return std::nullopt;
  return view_of(shape, strides, offset_);
}

Tensor Tensor::reshape(const Shape& shape) const {
  const std::optional<Tensor> view = try_reshape(shape);
  KRAIT_REQUIRE(view.has_value(), "[Tensor::reshape] shape ", shape_, " with strides ", strides_,
                " cannot be seen as ", shape, " without a copy.");
  return *view;
}

Tensor Tensor::slice(int dim, std::int64_t begin, std::int64_t end) const {
  const int d = dimension(dim, "slice");
  KRAIT_REQUIRE(0 <= begin && begin <= end && end <= shape_[d], "[Tensor::slice] range [", begin,
                ", ", end, ") is out of range for dimension ", d, " of ", shape_, ".");
  Shape shape = shape_;
  shape[d] = end - begin;
  return view_of(shape, strides_, offset_ + begin * strides_[d]);
}

Tensor Tensor::select(int dim, std::int64_t index) const {
  const int d = dimension(dim, "select");
  KRAIT_REQUIRE(0 <= index && index < shape_[d], "[Tensor::select] index ", index,
                " is out of range for dimension ", d, " of ", shape_, ".");
  Shape shape, strides;
  for (int i = 0; i < rank(); ++i) {
    if (i == d) continue;
    shape.push_back(shape_[i]);
    strides.push_back(strides_[i]);
  }
  return view_of(shape, strides, offset_ + index * strides_[d]);
}

Tensor Tensor::transpose(int dim0, int dim1) const {
  const int a = dimension(dim0, "transpose"), b = dimension(dim1, "transpose");
  Shape shape = shape_, strides = strides_;
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  return view_of(shape, strides, offset_);
}

Tensor Tensor::expand(const Shape& target) const {
  KRAIT_REQUIRE(broadcast_shape(shape_, target, "Tensor::expand") == target, "[Tensor::expand] ",
                shape_, " does not expand to ", target, ".");
  Shape strides = target;
  for (int i = 1; i <= target.rank(); ++i) {
    const bool repeated = i > rank() || (shape_[-i] == 1 && target[-i] != 1);
    strides[-i] = repeated ? 0 : strides_[-i];
  }
  return view_of(target, strides, offset_);
}

Tensor Tensor::view(std::int64_t offset, const Shape& shape) const {
  KRAIT_REQUIRE(is_contiguous() && offset >= 0 && offset + shape.numel() <= numel(),
                "[Tensor::view] ", shape, " at ", offset, " does not fit into ", shape_, ".");
  return view_of(shape, contiguous_strides(shape), offset_ + offset);
}

void Tensor::zero() const {
  KRAIT_REQUIRE(is_contiguous(), "[Tensor::zero] needs contiguity, got shape ", shape_, " strides ",
                strides_, ".");
  const MemoryTarget target{
      .to = storage_->data() + static_cast<std::size_t>(offset_) * size_of(dtype_),
      .device = device()};
  zero_memory(target, bytes());
  bump_version();
}

}  // namespace krait
