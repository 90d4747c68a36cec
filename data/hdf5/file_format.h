// The format and version of a set: attributes of / that every kind of set has.
#pragma once
#include <cstdint>
#include <string_view>

#include "data/hdf5/hdf5.h"

namespace krait {

struct FileFormat {
  std::string_view name;     // attribute "format"
  std::int64_t version = 1;  // attribute "format_version"
  std::string_view thing;    // its name in messages: "token set"
  std::string_view made_by;  // the command that makes one
};

/// Throws BadData unless the file has this format in this version.
void check_file_format(const Hdf5File& file, const FileFormat& format);

}  // namespace krait
