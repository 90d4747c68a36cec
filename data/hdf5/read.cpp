#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <type_traits>

#include <sys/stat.h>

#include "data/hdf5/handle.h"

namespace krait {
using hdf5::checked;
using hdf5::Handle;
using hdf5::is_integer;
using hdf5::is_unsigned_64;
using hdf5::owned;
using hdf5::Place;
using hdf5::Session;

namespace {

/// Deflate cannot shrink data by more than this, so a larger claim is a lie.
constexpr std::uint64_t kMaxDeflateRatio = 1032;

/// An open dataset whose form was found sound.
struct Dataset {
  Handle id, type;
  Hdf5DatasetInfo info;
};

struct StorageForm {
  H5D_layout_t layout = H5D_CONTIGUOUS;
  bool deflated = false;
  std::uint64_t bytes = 0;  // that the elements, or all chunks, take up once decoded
};

Hdf5Type element_type(hid_t type) {
  const std::pair<hid_t, Hdf5Type> known[] = {
      {H5T_STD_U8LE, Hdf5Type::U8},    {H5T_STD_U16LE, Hdf5Type::U16},
      {H5T_STD_U32LE, Hdf5Type::U32},  {H5T_STD_U64LE, Hdf5Type::U64},
      {H5T_STD_I32LE, Hdf5Type::I32},  {H5T_STD_I64LE, Hdf5Type::I64},
      {H5T_IEEE_F32LE, Hdf5Type::F32}, {H5T_IEEE_F64LE, Hdf5Type::F64},
  };
  for (const auto& [id, name] : known) {
    if (H5Tequal(type, id) > 0) return name;
  }
  return Hdf5Type::Other;
}

Shape shape_of(hid_t space, const Place& place) {
  KRAIT_CHECK(BadData, H5Sget_simple_extent_type(space) != H5S_NULL, place,
              ": the dataset is empty; make the file again.");
  const int rank = checked(H5Sget_simple_extent_ndims(space), place, "read its rank");
  KRAIT_CHECK(BadData, rank <= Shape::kMaxRank, place, ": rank ", rank,
              " is more than the supported ", Shape::kMaxRank,
              "; check that it is the right file.");
  std::array<hsize_t, Shape::kMaxRank> sizes{};
  checked(H5Sget_simple_extent_dims(space, sizes.data(), nullptr), place, "read its shape");
  Shape shape;
  for (int i = 0; i < rank; ++i) {
    const hsize_t size = sizes[static_cast<std::size_t>(i)];
    KRAIT_CHECK(BadData, size <= hsize_t{std::numeric_limits<std::int64_t>::max()}, place,
                ": size ", size, " of dimension ", i, " is impossible; the file is damaged.");
    shape.push_back(static_cast<std::int64_t>(size));
  }
  return shape;
}

/// Bytes of all elements, or an error when that does not fit into 64 bits.
std::uint64_t checked_bytes(const Shape& shape, std::size_t element_bytes, const Place& place) {
  std::uint64_t bytes = element_bytes;
  for (const std::int64_t size : shape) {
    const bool overflow = __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes);
    KRAIT_CHECK(BadData, !overflow && bytes <= std::numeric_limits<std::uint64_t>::max() / 2, place,
                ": shape ", shape, " is impossible; the file is damaged.");
  }
  return bytes;
}

void refuse_unknown_filters(hid_t properties, const Place& place, StorageForm& form) {
  const int filters = checked(H5Pget_nfilters(properties), place, "read its filters");
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    const H5Z_filter_t filter = checked(H5Pget_filter2(properties, static_cast<unsigned>(i), &flags,
                                                       &values, nullptr, 0, nullptr, nullptr),
                                        place, "read its filters");
    const bool known = filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE ||
                       filter == H5Z_FILTER_FLETCHER32;
    KRAIT_CHECK(BadData, known, place, ": filter ", filter,
                " is refused; store it with gzip, shuffle and fletcher32 only.");
    form.deflated |= filter == H5Z_FILTER_DEFLATE;
  }
}

/// Bytes of all chunks; throws when one was never written (it would read as zeros).
std::uint64_t chunk_bytes(hid_t dataset, hid_t properties, const Shape& shape,
                          std::size_t element_bytes, const Place& place) {
  std::array<hsize_t, Shape::kMaxRank> sizes{};
  checked(H5Pget_chunk(properties, Shape::kMaxRank, sizes.data()), place, "read its chunks");
  Shape chunk, count;
  for (int i = 0; i < shape.rank(); ++i) {
    const auto size = static_cast<std::int64_t>(sizes[static_cast<std::size_t>(i)]);
    KRAIT_CHECK(BadData, size > 0, place, ": a chunk of size ", size, " is impossible.");
    chunk.push_back(size);
    count.push_back(shape[i] / size + (shape[i] % size != 0 ? 1 : 0));
  }
  const std::uint64_t expected = checked_bytes(count, 1, place);
  const Handle space = owned(H5Dget_space(dataset), place, "read its shape");
  hsize_t written = 0;
  checked(H5Dget_num_chunks(dataset, space.get(), &written), place, "count its chunks");
  KRAIT_CHECK(BadData, written == expected, place, ": ", written, " of its ", expected,
              " chunks are present; the file is incomplete: make or copy it again.");
  Shape all = chunk;
  for (int i = 0; i < all.rank(); ++i) {
    KRAIT_CHECK(BadData, !__builtin_mul_overflow(chunk[i], count[i], &all[i]), place,
                ": its chunks are impossible; the file is damaged.");
  }
  return checked_bytes(all, element_bytes, place);
}

/// Whether what the dataset claims to hold can be in the file at all.
void check_storage(const Dataset& dataset, const StorageForm& form, std::uint64_t file_bytes,
                   const Place& place) {
  if (form.bytes == 0) return;
  const hsize_t stored = H5Dget_storage_size(dataset.id.get());
  const std::uint64_t ratio = form.deflated ? kMaxDeflateRatio : 1;
  const bool plausible =
      form.layout == H5D_CHUNKED ? form.bytes / ratio <= stored : form.bytes == stored;
  KRAIT_CHECK(BadData, plausible && stored <= file_bytes, place, ": ", stored,
              " bytes are stored for ", form.bytes,
              "; the file is truncated or damaged: make or copy it again.");
  if (form.layout != H5D_CONTIGUOUS) return;
  const std::uint64_t offset = dataset.info.offset;
  KRAIT_CHECK(BadData, offset <= file_bytes && form.bytes <= file_bytes - offset, place,
              ": ends at byte ", offset + form.bytes, " of a file of ", file_bytes,
              " bytes; the file is truncated: make or copy it again.");
}

std::uint64_t size_of_file(const Hdf5File& file) {
  struct stat info {};
  if (::fstat(file.descriptor(), &info) != 0) throw_io_error("inspect", file.path(), errno);
  return static_cast<std::uint64_t>(info.st_size);
}

Dataset open_dataset(Handle id, const Place& place, std::uint64_t file_bytes) {
  KRAIT_CHECK(BadData, H5Iget_type(id.get()) == H5I_DATASET, place,
              ": is not a dataset; check that it is the right file.");
  const Handle properties = owned(H5Dget_create_plist(id.get()), place, "read its layout");
  const Handle space = owned(H5Dget_space(id.get()), place, "read its shape");
  Dataset dataset;
  dataset.type = owned(H5Dget_type(id.get()), place, "read its type");
  dataset.info = {.shape = shape_of(space.get(), place), .type = element_type(dataset.type.get())};

  StorageForm form{.layout = H5Pget_layout(properties.get())};
  KRAIT_CHECK(BadData, form.layout != H5D_VIRTUAL && H5Pget_external_count(properties.get()) == 0,
              place, ": virtual datasets and external storage are refused; copy the data in.");
  refuse_unknown_filters(properties.get(), place, form);
  const std::size_t element_bytes = H5Tget_size(dataset.type.get());
  form.bytes = checked_bytes(dataset.info.shape, element_bytes, place);
  if (form.layout == H5D_CHUNKED && form.bytes > 0) {
    form.bytes = chunk_bytes(id.get(), properties.get(), dataset.info.shape, element_bytes, place);
  }
  dataset.info.contiguous = form.layout == H5D_CONTIGUOUS;
  if (dataset.info.contiguous && form.bytes > 0) {
    dataset.info.offset = H5Dget_offset(id.get());
    KRAIT_CHECK(BadData, dataset.info.offset != HADDR_UNDEF, place,
                ": the data were never written; the file is incomplete: make it again.");
  }
  dataset.id = std::move(id);
  check_storage(dataset, form, file_bytes, place);
  return dataset;
}

template <class T>
void read_to(const Dataset& dataset, T* values, const Place& place) {
  if (dataset.info.shape.numel() == 0) return;
  checked(H5Dread(dataset.id.get(), hdf5::memory_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values),
          place, "read the data");
}

template <class T>
void read_all(const Dataset& dataset, std::vector<T>& values, const Place& place) {
  values.resize(static_cast<std::size_t>(dataset.info.shape.numel()));
  read_to(dataset, values.data(), place);
}

/// The library clamps integers that do not fit, so other types are read wide and checked here.
template <class T, class Wide>
std::vector<T> read_narrowed(const Dataset& dataset, const Place& place) {
  std::vector<Wide> wide;
  read_all(dataset, wide, place);
  std::vector<T> values;
  values.reserve(wide.size());
  for (const Wide value : wide) {
    KRAIT_CHECK(BadData, std::in_range<T>(value), place, ": value ", value,
                " does not fit the type asked for; check that it is the right file.");
    values.push_back(static_cast<T>(value));
  }
  return values;
}

template <class T>
std::vector<T> read_values(const Dataset& dataset, const Place& place) {
  const hid_t type = dataset.type.get();
  std::vector<T> values;
  if constexpr (std::is_floating_point_v<T>) {
    KRAIT_CHECK(BadData, H5Tget_class(type) == H5T_FLOAT, place,
                ": must hold floating-point numbers; check that it is the right file.");
    read_all(dataset, values, place);
    return values;
  } else {
    KRAIT_CHECK(BadData, is_integer(type), place,
                ": must hold integers; check that it is the right file.");
    if (H5Tequal(type, hdf5::memory_type<T>()) > 0) {
      read_all(dataset, values, place);
      return values;
    }
    return is_unsigned_64(type) ? read_narrowed<T, std::uint64_t>(dataset, place)
                                : read_narrowed<T, std::int64_t>(dataset, place);
  }
}

struct Listing {
  H5I_type_t wanted;
  std::vector<std::pair<std::string, H5L_type_t>> links;
};

herr_t take_link(hid_t, const char* name, const H5L_info_t* link, void* data) {
  static_cast<Listing*>(data)->links.emplace_back(name, link->type);
  return 0;
}

std::vector<std::string> members(const Handle& group, const Place& place, H5I_type_t wanted) {
  KRAIT_CHECK(BadData, H5Iget_type(group.get()) == H5I_GROUP, place,
              ": is not a group; check that it is the right file.");
  Listing listing{.wanted = wanted};
  checked(H5Literate(group.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, take_link, &listing), place,
          "list it");
  std::vector<std::string> names;
  for (const auto& [name, type] : listing.links) {
    KRAIT_CHECK(BadData, type == H5L_TYPE_HARD, place, ": link '", name,
                "' is soft or external, which is refused; store the object itself.");
    const Handle object =
        owned(H5Oopen(group.get(), name.c_str(), H5P_DEFAULT), place, "open a member");
    if (H5Iget_type(object.get()) == wanted) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

bool Hdf5File::has(std::string_view object) const {
  const Session session;
  return static_cast<bool>(impl_->find(object));
}

std::vector<std::string> Hdf5File::groups(std::string_view group) const {
  const Session session;
  return members(impl_->get(group), impl_->at(group), H5I_GROUP);
}

std::vector<std::string> Hdf5File::datasets(std::string_view group) const {
  const Session session;
  return members(impl_->get(group), impl_->at(group), H5I_DATASET);
}

Hdf5DatasetInfo Hdf5File::info(std::string_view dataset) const {
  const Session session;
  return open_dataset(impl_->get(dataset), impl_->at(dataset), size_of_file(*this)).info;
}

template <class T>
Hdf5Array<T> Hdf5File::read(std::string_view dataset) const {
  const Session session;
  const Place place = impl_->at(dataset);
  const Dataset open = open_dataset(impl_->get(dataset), place, size_of_file(*this));
  return {.shape = open.info.shape, .values = read_values<T>(open, place)};
}

template <class T>
void Hdf5File::read_into(std::string_view dataset, const Shape& shape, std::span<T> values) const {
  KRAIT_REQUIRE(static_cast<std::int64_t>(values.size()) == shape.numel(),
                "[Hdf5File::read_into] '", dataset, "' of shape ", shape, " needs room for ",
                shape.numel(), " values, got ", values.size(), ".");
  const Session session;
  const Place place = impl_->at(dataset);
  const Dataset open = open_dataset(impl_->get(dataset), place, size_of_file(*this));
  KRAIT_CHECK(BadData, open.info.shape == shape, place, ": must have shape ", shape, ", got ",
              open.info.shape, "; check that it is the right file.");
  KRAIT_CHECK(BadData, H5Tequal(open.type.get(), hdf5::memory_type<T>()) > 0, place, ": must hold ",
              element_type(hdf5::memory_type<T>()), ", got ", open.info.type,
              "; check that it is the right file.");
  read_to(open, values.data(), place);
}

#define KRAIT_INSTANTIATE(T)                                    \
  template Hdf5Array<T> Hdf5File::read(std::string_view) const; \
  template void Hdf5File::read_into(std::string_view, const Shape&, std::span<T>) const;
KRAIT_HDF5_FOR_EACH_TYPE(KRAIT_INSTANTIATE)
#undef KRAIT_INSTANTIATE

}  // namespace krait
