// Private to data/hdf5/: handles, the library's lock and its errors.
#pragma once
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hdf5.h>

#include "core/error.h"
#include "data/hdf5/hdf5.h"

namespace krait {

namespace hdf5 {

/// Must be held for every use of the library, and constructed before any Handle, since handles are
/// closed under the lock. Recursive, because public functions call each other.
class Session {
 public:
  Session();

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

/// Any HDF5 identifier, closed when the object is destroyed.
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (id_ >= 0) H5Idec_ref(id_);
  }
  hid_t get() const { return id_; }
  hid_t release() { return std::exchange(id_, H5I_INVALID_HID); }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

/// The subject of an error message: a file and, unless empty, an object in it.
struct Place {
  const std::filesystem::path& file;
  std::string_view object;
};
std::ostream& operator<<(std::ostream& out, const Place& place);

/// Throws for a call that failed: "<place>: cannot <action>: <innermost message>; <advice>". Kind
/// Io when the library reports a system error, BadData otherwise.
[[noreturn]] void throw_library_error(const Place& place, std::string_view action);

/// Throws unless `result`, of a call that returns a negative number on failure, is a success.
template <class Result>
Result checked(Result result, const Place& place, std::string_view action) {
  if (result < 0) throw_library_error(place, action);
  return result;
}
inline Handle owned(hid_t id, const Place& place, std::string_view action) {
  return Handle(checked(id, place, action));
}

/// The library's name for a C++ type in memory.
template <class T>
hid_t memory_type();

/// Integers, and enumerations of them (NumPy's booleans are one).
bool is_integer(hid_t type);
/// The only integer type whose values may not fit into 64 signed bits.
bool is_unsigned_64(hid_t type);

/// F(T) for each element type.
#define KRAIT_HDF5_FOR_EACH_TYPE(F) \
  F(std::uint8_t)                   \
  F(std::uint16_t)                  \
  F(std::uint32_t)                  \
  F(std::uint64_t)                  \
  F(std::int32_t)                   \
  F(std::int64_t)                   \
  F(float)                          \
  F(double)

/// The names in a path: "/a//b" is {"a", "b"}.
std::vector<std::string> components(std::string_view object);

}  // namespace hdf5

struct Hdf5File::Impl {
  std::filesystem::path path;  // as shown in messages
  hdf5::Handle file;
  bool writable = false;

  Impl() = default;
  ~Impl();
  hdf5::Place at(std::string_view object) const { return {path, object}; }
  /// The object at `object`, reached through hard links only; an invalid handle when there is none.
  hdf5::Handle find(std::string_view object) const;
  /// The same, but its absence is an error.
  hdf5::Handle get(std::string_view object) const;
};

}  // namespace krait
