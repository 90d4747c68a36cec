#include <algorithm>
#include <array>

#include "data/hdf5/handle.h"

namespace krait {
using hdf5::checked;
using hdf5::Handle;
using hdf5::owned;
using hdf5::Place;
using hdf5::Session;

namespace {

constexpr std::uint64_t kChunkBytes = std::uint64_t{1} << 20;  // what the library's cache holds

using Sizes = std::array<hsize_t, Shape::kMaxRank>;

Sizes sizes_of(const Shape& shape) {
  Sizes sizes{};
  std::copy(shape.begin(), shape.end(), sizes.begin());
  return sizes;
}

/// The shape with leading dimensions cut until it has at most kChunkBytes.
Sizes chunk_of(const Shape& shape, std::size_t element_bytes) {
  Sizes chunk = sizes_of(shape);
  std::uint64_t bytes = static_cast<std::uint64_t>(shape.numel()) * element_bytes;
  for (std::size_t i = 0; i < chunk.size() && bytes > kChunkBytes; ++i) {
    bytes /= chunk[i];
    chunk[i] = std::clamp<hsize_t>(kChunkBytes / bytes, 1, chunk[i]);
    bytes *= chunk[i];
  }
  return chunk;
}

/// Makes the groups that lead to `object` where they are not there, and, with `itself`, the last
/// one.
void make_groups(hid_t file, const Place& place, bool itself) {
  const Handle properties(H5Pcreate(H5P_GROUP_CREATE));
  H5Pset_obj_track_times(properties.get(), false);  // equal contents are equal files
  std::string path;
  const std::vector<std::string> names = hdf5::components(place.object);
  for (std::size_t i = 0; i + (itself ? 0 : 1) < names.size(); ++i) {
    path += "/" + names[i];
    if (checked(H5Lexists(file, path.c_str(), H5P_DEFAULT), place, "look up its group") > 0)
      continue;
    owned(H5Gcreate2(file, path.c_str(), H5P_DEFAULT, properties.get(), H5P_DEFAULT), place,
          "create its group");
  }
}

Handle make_dataset(hid_t file, const Place& place, hid_t type, const Shape& shape,
                    Hdf5Layout layout) {
  const Sizes sizes = sizes_of(shape);
  const Handle space =
      owned(H5Screate_simple(shape.rank(), sizes.data(), nullptr), place, "shape it");
  const Handle properties(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_obj_track_times(properties.get(), false);  // equal contents are equal files
  H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER);
  H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY);
  if (layout == Hdf5Layout::Checksummed && shape.rank() > 0 && shape.numel() > 0) {
    const Sizes chunk = chunk_of(shape, H5Tget_size(type));
    H5Pset_chunk(properties.get(), shape.rank(), chunk.data());
    H5Pset_fletcher32(properties.get());
  } else if (layout == Hdf5Layout::Checksummed) {
    // No chunks without elements to divide; inside the object header its checksum covers them.
    H5Pset_layout(properties.get(), H5D_COMPACT);
  }
  make_groups(file, place, false);
  return owned(H5Dcreate2(file, std::string(place.object).c_str(), type, space.get(), H5P_DEFAULT,
                          properties.get(), H5P_DEFAULT),
               place, "create it");
}

}  // namespace

void Hdf5File::create_group(std::string_view group) {
  const Session session;
  make_groups(impl_->file.get(), impl_->at(group), true);
}

template <class T>
void Hdf5File::write(std::string_view dataset, const Shape& shape, std::span<const T> values,
                     Hdf5Layout layout) {
  KRAIT_REQUIRE(static_cast<std::int64_t>(values.size()) == shape.numel(), "[Hdf5File::write] '",
                dataset, "' of shape ", shape, " needs ", shape.numel(), " values, got ",
                values.size(), ".");
  const Session session;
  const Place place = impl_->at(dataset);
  const hid_t type = hdf5::memory_type<T>();
  const Handle made = make_dataset(impl_->file.get(), place, type, shape, layout);
  if (values.empty()) return;
  checked(H5Dwrite(made.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), place, "write");
}

template <class T>
void Hdf5File::create_dataset(std::string_view dataset, std::uint64_t size, Hdf5Layout layout) {
  const Session session;
  make_dataset(impl_->file.get(), impl_->at(dataset), hdf5::memory_type<T>(),
               Shape{static_cast<std::int64_t>(size)}, layout);
}

template <class T>
void Hdf5File::write_at(std::string_view dataset, std::uint64_t first, std::span<const T> values) {
  if (values.empty()) return;
  const Session session;
  const Place place = impl_->at(dataset);
  const Handle open = impl_->get(dataset);
  const Handle space = owned(H5Dget_space(open.get()), place, "read its shape");
  const hsize_t start = first, count = values.size();
  KRAIT_REQUIRE(
      H5Sget_simple_extent_ndims(space.get()) == 1 &&
          H5Sget_simple_extent_npoints(space.get()) >= static_cast<hssize_t>(start + count),
      "[Hdf5File::write_at] elements ", start, " to ", start + count, " must be inside '", dataset,
      "', which must have rank 1.");
  checked(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &start, nullptr, &count, nullptr), place,
          "select elements");
  const Handle memory = owned(H5Screate_simple(1, &count, nullptr), place, "select elements");
  checked(H5Dwrite(open.get(), hdf5::memory_type<T>(), memory.get(), space.get(), H5P_DEFAULT,
                   values.data()),
          place, "write");
}

#define KRAIT_INSTANTIATE(T)                                                                     \
  template void Hdf5File::write(std::string_view, const Shape&, std::span<const T>, Hdf5Layout); \
  template void Hdf5File::create_dataset<T>(std::string_view, std::uint64_t, Hdf5Layout);        \
  template void Hdf5File::write_at(std::string_view, std::uint64_t, std::span<const T>);
KRAIT_HDF5_FOR_EACH_TYPE(KRAIT_INSTANTIATE)
#undef KRAIT_INSTANTIATE

}  // namespace krait
