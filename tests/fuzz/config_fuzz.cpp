// Any bytes as a configuration: it is read, or BadConfig says why not. What was read is written and
// read again to the same values.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.h"
#include "train/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using krait::dump_yaml, krait::parse_config;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string dumped;
  try {
    dumped = dump_yaml(parse_config(text, "fuzz.yaml"));
  } catch (const krait::Error& error) {
    if (error.kind() != krait::ErrorKind::BadConfig) std::abort();
    return 0;
  }
  if (dump_yaml(parse_config(dumped, "dumped.yaml")) != dumped) std::abort();
  return 0;
}
