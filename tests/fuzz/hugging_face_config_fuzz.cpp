// Any bytes as a config.json: it is read, or BadData says why not. What was read is written, where
// the style can express it, and read again to the same values.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.h"
#include "train/model/hugging_face/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using krait::ErrorKind, krait::HuggingFaceConfig;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  HuggingFaceConfig config;
  try {
    config = krait::parse_hugging_face_config(text, "'config.json'");
  } catch (const krait::Error& error) {
    if (error.kind() != ErrorKind::BadData) std::abort();
    return 0;
  }
  const auto write = [](const HuggingFaceConfig& c) {
    return krait::hugging_face_config_json(c.model, c.style, {});
  };
  const auto is_usage = [](const krait::Error& e) { return e.kind() == ErrorKind::Usage; };
  std::string written;
  try {
    written = write(config);
  } catch (const krait::Error& error) {
    if (!is_usage(error)) std::abort();
    return 0;
  }
  if (write(krait::parse_hugging_face_config(written, "'written'")) != written) std::abort();
  return 0;
}
