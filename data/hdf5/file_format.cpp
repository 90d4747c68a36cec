#include "data/hdf5/file_format.h"

#include <string>

namespace krait {

void check_file_format(const Hdf5File& file, const FileFormat& format) {
  const bool right = file.has_attribute("/", "format") &&
                     file.attribute<std::string>("/", "format") == format.name;
  KRAIT_CHECK(BadData, right, "'", file.path().string(), "' is not a ", format.thing,
              "; make one with '", format.made_by, "'.");
  const auto version = file.attribute<std::int64_t>("/", "format_version");
  KRAIT_CHECK(BadData, version == format.version, "'", file.path().string(), "' is a ",
              format.thing, " of format version ", version, ", this build reads version ",
              format.version, "; update Krait or rebuild the set.");
}

}  // namespace krait
