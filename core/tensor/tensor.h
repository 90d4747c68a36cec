// Tensor: shared storage seen through a shape and strides. No gradients here (autograd/variable.h).
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/device.h"
#include "core/tensor/dtype.h"
#include "core/tensor/shape.h"

namespace krait {

class CachingAllocator;

/// A block of memory from a caching allocator, given back when the last tensor on it goes.
/// `version` counts the in-place changes made through the public interface, so that backward can
/// refuse a saved tensor that was changed after it was saved.
class Storage {
 public:
  /// `allocator` gives memory of `device`.
  Storage(std::size_t bytes, Device device, CachingAllocator& allocator);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  CachingAllocator& allocator_;
  std::byte* data_;
  std::size_t bytes_;
  Device device_;
  std::atomic<std::uint64_t> version_{0};
};

/// A handle: copies share the memory. A default-constructed tensor is undefined and holds nothing.
/// Strides count elements. Views (reshape, slice, transpose, expand, select) never copy.
class Tensor {
 public:
  Tensor() = default;

  static Tensor empty(const Shape& shape, DType dtype, Device device = {});  // uninitialised
  static Tensor zeros(const Shape& shape, DType dtype, Device device = {});
  /// On the CPU, uninitialised, in memory of pinned_allocator(): for copies from and to a GPU.
  static Tensor pinned(const Shape& shape, DType dtype);
  /// A CPU tensor holding `values` in row-major order; their count must be shape.numel().
  template <class T>
  static Tensor from(const Shape& shape, std::span<const T> values);
  template <class T>
  static Tensor from(const Shape& shape, std::initializer_list<T> values) {
    return from<T>(shape, std::span<const T>(values.begin(), values.size()));
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  int rank() const { return shape_.rank(); }
  std::int64_t size(int dim) const { return shape_[dim]; }
  std::int64_t stride(int dim) const { return strides_[dim]; }
  std::int64_t numel() const { return defined() ? shape_.numel() : 0; }
  std::size_t bytes() const { return static_cast<std::size_t>(numel()) * size_of(dtype_); }
  DType dtype() const { return dtype_; }
  Device device() const { return defined() ? storage_->device() : Device{}; }
  const std::shared_ptr<Storage>& storage() const { return storage_; }
  std::int64_t offset() const { return offset_; }  // of the first element in the storage, elements

  /// Whether the elements are in row-major order without gaps; true for a tensor without elements.
  bool is_contiguous() const;
  /// The first element. Throws when T is not the tensor's element type.
  template <class T>
  T* data() const {
    KRAIT_REQUIRE(defined(), "[Tensor::data] the tensor is undefined.");
    KRAIT_REQUIRE(dtype_of<T> == dtype_, "[Tensor::data] the tensor holds ", dtype_, ", asked for ",
                  dtype_of<T>, ".");
    return reinterpret_cast<T*>(storage_->data()) + offset_;
  }
  /// All elements of a contiguous CPU tensor.
  template <class T>
  std::span<T> span() const {
    KRAIT_REQUIRE(is_contiguous() && !device().is_cuda(),
                  "[Tensor::span] needs a contiguous CPU tensor, got shape ", shape_, " strides ",
                  strides_, " on ", device(), ".");
    return {data<T>(), static_cast<std::size_t>(numel())};
  }
  /// The only element of a one-element tensor of any float or integer type. On a GPU it waits for
  /// the work that computes it.
  double item() const;

  /// The same values on `device`, with the same strides: this tensor if it is there already, else a
  /// copy of the memory that it spans. A copy from the host happens in stream order, without
  /// waiting; a copy to the host waits.
  Tensor to(Device device) const;

  /// The same elements in another shape, without a copy. One size may be -1 (inferred). Throws when
  /// the strides do not allow it.
  Tensor reshape(const Shape& shape) const;
  /// The same, but returns nothing when the strides do not allow it.
  std::optional<Tensor> try_reshape(Shape shape) const;
  /// Elements [begin, end) of dimension `dim`.
  Tensor slice(int dim, std::int64_t begin, std::int64_t end) const;
  /// Dimension `dim` fixed at `index` and dropped.
  Tensor select(int dim, std::int64_t index) const;
  Tensor transpose(int dim0, int dim1) const;
  /// Broadcast: sizes of 1, and missing leading dimensions, are repeated (stride 0).
  Tensor expand(const Shape& shape) const;
  /// A contiguous tensor of `shape` that starts `offset` elements into this contiguous tensor: how
  /// parameters are laid out in flat buffers.
  Tensor view(std::int64_t offset, const Shape& shape) const;

  /// Sets every element to zero, on a GPU in stream order. Needs contiguity. Counts as an in-place
  /// change.
  void zero() const;
  void bump_version() const { storage_->bump_version(); }

 private:
  static Tensor allocate(const Shape& shape, DType dtype, Device device,
                         CachingAllocator& allocator);
  Tensor view_of(const Shape& shape, const Shape& strides, std::int64_t offset) const;
  int dimension(int dim, const char* op) const;  // negative dims count from the end

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  Shape strides_;
  std::int64_t offset_ = 0;
  DType dtype_ = DType::F32;
};

/// Row-major strides of a shape.
Shape contiguous_strides(const Shape& shape);

/// The shape that `a` and `b` broadcast to (NumPy's rule). Throws when they do not fit; `op` names
/// the caller.
Shape broadcast_shape(const Shape& a, const Shape& b, std::string_view op);

template <class T>
Tensor Tensor::from(const Shape& shape, std::span<const T> values) {
  KRAIT_REQUIRE(static_cast<std::int64_t>(values.size()) == shape.numel(), "[Tensor::from] shape ",
                shape, " needs ", shape.numel(), " values, got ", values.size(), ".");
  Tensor t = empty(shape, dtype_of<T>);
  std::copy(values.begin(), values.end(), t.template data<T>());
  return t;
}

}  // namespace krait
