// Any bytes as a safetensors file: it is read, or BadData says why not. Of what was read every byte
// is touched, and its floats are converted.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/error.h"
#include "data/safetensors/safetensors.h"

namespace {

using krait::SafetensorsArray;
using krait::SafetensorsType;

bool is_float(SafetensorsType type) {
  return type == SafetensorsType::F64 || type == SafetensorsType::F32 ||
         type == SafetensorsType::F16 || type == SafetensorsType::BF16;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  krait::SafetensorsContents contents;
  try {
    contents = krait::parse_safetensors(file, "'fuzz.safetensors'");
  } catch (const krait::Error& error) {
    if (error.kind() != krait::ErrorKind::BadData) std::abort();
    return 0;
  }
  std::size_t total = 0;
  for (const SafetensorsArray& a : contents.arrays) {
    std::size_t bytes = 0;
    for (const std::byte b : a.bytes) bytes += std::to_integer<int>(b) >= 0 ? 1 : 0;
    const auto elements = static_cast<std::size_t>(a.shape.numel());
    if (bytes != a.bytes.size() || bytes != elements * krait::size_of(a.type)) std::abort();
    total += bytes;
    if (is_float(a.type)) {
      krait::read_floats(a, krait::Tensor::empty(a.shape, krait::DType::F32));
      krait::read_floats(a, krait::Tensor::empty(a.shape, krait::DType::F64));
    }
  }
  if (total >= size) std::abort();  // they share no byte with each other or the header
  return 0;
}
