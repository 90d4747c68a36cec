// The plan of the house as tables: who may include whom. check_structure holds the tree against it.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

namespace krait {

using Names = std::vector<std::string_view>;

/// A folder of the top level and the folders that its files may include.
struct Folder {
  std::string_view name;
  Names may_include;
};
extern const std::vector<Folder> kFolders;

/// A folder of sources below the top level, or the files that lie in a top folder itself, and the
/// rooms that its files may include besides its own: "core/tensor" is that room alone, "core/" all
/// of core. Folder rules hold as well.
struct Room {
  std::string_view path;
  Names may_include;
};
extern const std::vector<Room> kRooms;

/// Headers whose name starts with `header` belong to a library; only files whose path starts with
/// one of `users`, and tests, may include them.
struct Library {
  std::string_view header;
  Names users;
};
extern const std::vector<Library> kLibraries;

/// Headers of the system that anybody may include.
extern const Names kSystemHeaders;
/// What lies behind an interface: only the folder itself may include it, and kernels/cuda what is
/// in core/cuda.
extern const Names kPrivate;
/// Folders whose files nvcc compiles.
extern const Names kDeviceCode;
/// Folders of tests that mirror no room: what rooms share, fuzzers, and this check.
extern const Names kTestFolders;
/// Folders whose messages may name flags of the command line; the library names options.
extern const Names kFlagUsers;
extern const Names kBannedWords;

inline constexpr std::size_t kLongFile = 400;  // nine files of ten are shorter
inline constexpr std::size_t kMaxLines = 800;
inline constexpr std::size_t kMaxUnits = 16;  // in a room; a unit is a header with its source

}  // namespace krait
