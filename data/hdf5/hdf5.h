// HDF5 files: a thin wrapper of the C API, and the only code that uses it. Arrays, attributes and
// groups are read and written as C++ values; every failure is a krait::Error that names file and
// dataset.
//
// Files may be hostile: plug-ins are off; soft, external and user-defined links, external storage,
// virtual datasets and all filters except shuffle, deflate and fletcher32 are refused; types, ranks
// and sizes are checked against the actual contents of the file before memory is allocated. Files
// are written in the newest format, whose metadata carry checksums.
//
// All calls into the library go through one mutex, so objects may be used from several threads.
// Paths inside a file are separated by '/', with or without one in front; "" or "/" is the root.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/names.h"
#include "core/system/file.h"
#include "core/tensor/shape.h"

namespace krait {

/// Little-endian element types that Krait writes. Other stands for anything else that a file may
/// hold (such as f16, i8, big-endian or enumerations), which read() converts where it can.
enum class Hdf5Type : std::uint8_t { U8, U16, U32, U64, I32, I64, F32, F64, Other };
template <>
inline constexpr std::array<std::string_view, 9> kNames<Hdf5Type>{
    "u8", "u16", "u32", "u64", "i32", "i64", "f32", "f64", "another type"};

/// Contiguous: one piece that can be memory-mapped, unprotected. Checksummed: chunks of up to 1 MiB
/// with a fletcher32 checksum each, so that damage is an error on reading.
enum class Hdf5Layout : std::uint8_t { Contiguous, Checksummed };

/// What a file says about a dataset.
struct Hdf5DatasetInfo {
  Shape shape;
  Hdf5Type type = Hdf5Type::Other;
  bool contiguous = false;
  std::uint64_t offset = 0;  // of the first byte in the file, when contiguous and not empty
};

template <class T>
struct Hdf5Array {
  Shape shape;
  std::vector<T> values;  // row-major
};

/// T below is std::uint8_t, uint16_t, uint32_t, uint64_t, int32_t, int64_t, float or double;
/// attributes are std::int64_t, double, bool or std::string.
///
/// Errors: MissingInput when the file does not exist, BadData for everything wrong in it (also a
/// missing object or attribute), Io when the system refuses, such as on a full disk.
class Hdf5File {
 public:
  /// Opens a regular file for reading.
  static Hdf5File open(const std::filesystem::path& path);
  /// Makes a new file, or empties the one at `path`. Every object in the file starts at a multiple
  /// of `alignment` bytes: 4096 for datasets that are to be mapped; 1 packs tightly. To be safe
  /// from crashes, write through a TemporaryFile, close() this file, then commit() that one;
  /// messages name its target.
  static Hdf5File create(const std::filesystem::path& path, std::uint64_t alignment = 1);
  static Hdf5File create(const TemporaryFile& file, std::uint64_t alignment = 1);
  ~Hdf5File();
  Hdf5File(Hdf5File&&) noexcept;
  Hdf5File& operator=(Hdf5File&&) noexcept;

  const std::filesystem::path& path() const;
  /// The open file, for mapping datasets at the offsets that info() gives. Owned by this object.
  int descriptor() const;
  /// Writes everything and closes. Unlike the destructor it reports errors.
  void close();

  // Reading.
  bool has(std::string_view object) const;
  /// Names of the groups, or datasets, directly in a group, sorted by name.
  std::vector<std::string> groups(std::string_view group = "/") const;
  std::vector<std::string> datasets(std::string_view group = "/") const;
  Hdf5DatasetInfo info(std::string_view dataset) const;
  /// All elements. A floating-point T takes any stored float type, rounding where it is narrower;
  /// an integer T takes any stored integer, boolean or enumeration whose values all fit.
  template <class T>
  Hdf5Array<T> read(std::string_view dataset) const;
  /// The same into memory of the caller. The dataset must have this shape and exactly the type T.
  template <class T>
  void read_into(std::string_view dataset, const Shape& shape, std::span<T> values) const;
  bool has_attribute(std::string_view object, const std::string& name) const;
  std::vector<std::string> attributes(std::string_view object) const;
  /// A scalar or one-element attribute. double takes integers too; bool takes 0, 1 and NumPy's
  /// booleans; strings may be of fixed or variable length.
  template <class T>
  T attribute(std::string_view object, const std::string& name) const;

  // Writing. Missing groups of a path are made; writing a dataset that exists is an error.
  /// Does nothing when the group exists.
  void create_group(std::string_view group);
  template <class T>
  void write(std::string_view dataset, const Shape& shape, std::span<const T> values,
             Hdf5Layout layout = Hdf5Layout::Checksummed);
  /// Makes a dataset of rank 1 that write_at() fills, for more data than fits in memory.
  template <class T>
  void create_dataset(std::string_view dataset, std::uint64_t size, Hdf5Layout layout);
  template <class T>
  void write_at(std::string_view dataset, std::uint64_t first, std::span<const T> values);
  template <class T>
  void write_attribute(std::string_view object, const std::string& name, const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      write_boolean(object, name, value);
    } else if constexpr (std::is_integral_v<T>) {
      KRAIT_REQUIRE(std::in_range<std::int64_t>(value), "[Hdf5File] ", value, " is too large.");
      write_integer(object, name, static_cast<std::int64_t>(value));
    } else if constexpr (std::is_floating_point_v<T>) {
      write_real(object, name, value);
    } else {
      write_text(object, name, value);
    }
  }

 private:
  struct Impl;
  static Hdf5File create_at(const std::filesystem::path& path, const std::filesystem::path& shown,
                            std::uint64_t alignment);
  void write_integer(std::string_view object, const std::string& name, std::int64_t value);
  void write_real(std::string_view object, const std::string& name, double value);
  void write_boolean(std::string_view object, const std::string& name, bool value);
  void write_text(std::string_view object, const std::string& name, std::string_view value);
  explicit Hdf5File(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace krait
