#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/safetensors/float16.h"
#include "data/safetensors/safetensors.h"

namespace krait {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kAlignment = 8;                 // of the end of the header
constexpr std::size_t kChunk = std::size_t{1} << 20;  // elements converted at a time

std::size_t bytes_of(const SafetensorsOutput& array) {
  return static_cast<std::size_t>(array.tensor.numel()) * size_of(array.type);
}

std::string header_text(const std::vector<SafetensorsOutput>& arrays,
                        const std::map<std::string, std::string>& metadata) {
  ordered_json header = ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t begin = 0;
  for (const SafetensorsOutput& a : arrays) {
    const std::vector<std::int64_t> shape(a.tensor.shape().begin(), a.tensor.shape().end());
    const std::size_t end = begin + bytes_of(a);
    KRAIT_REQUIRE(!header.contains(a.name), "[write_safetensors] '", a.name, "' is given twice.");
    header[a.name] = {{"dtype", name_of(a.type)}, {"shape", shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

template <class To, class From>
To narrow(From value, const std::string& name) {
  To result;
  if constexpr (std::is_floating_point_v<To>) {
    result = static_cast<To>(value);
  } else {  // 16 bits, made from f32
    result = To(static_cast<float>(value));
  }
  bool finite = true;
  if constexpr (std::is_floating_point_v<To>) {
    finite = std::isfinite(result);
  } else {
    finite = std::isfinite(static_cast<float>(result));
  }
  KRAIT_CHECK(BadData, finite || !std::isfinite(value), "'", name, "' holds ", value,
              ", which is beyond the range of the type it is to be written in; take bf16 or f32.");
  return result;
}

/// Writes values[i] as To, a piece at a time.
template <class To, class From>
void write_converted(const TemporaryFile& file, const SafetensorsOutput& array,
                     std::span<const From> values) {
  if constexpr (std::is_same_v<To, From>) {
    return write_all(file.descriptor(), std::as_bytes(values), file.target());
  } else {
    std::vector<To> piece;
    for (std::size_t first = 0; first < values.size(); first += kChunk) {
      piece.clear();
      for (const From v : values.subspan(first, std::min(kChunk, values.size() - first))) {
        piece.push_back(narrow<To>(v, array.name));
      }
      write_all(file.descriptor(), std::as_bytes(std::span(std::as_const(piece))), file.target());
    }
  }
}

template <class From>
void write_floats(const TemporaryFile& file, const SafetensorsOutput& array) {
  const std::span<const From> values = array.tensor.span<From>();
  switch (array.type) {
    case SafetensorsType::F64:
      return write_converted<double>(file, array, values);
    case SafetensorsType::F32:
      return write_converted<float>(file, array, values);
    case SafetensorsType::BF16:
      return write_converted<BFloat16>(file, array, values);
    case SafetensorsType::F16:
      return write_converted<Float16>(file, array, values);
    default:
      KRAIT_REQUIRE(false, "[write_safetensors] '", array.name, "' holds floats, ", array.type,
                    " does not.");
  }
}

template <class T>
void write_as_it_is(const TemporaryFile& file, const SafetensorsOutput& array,
                    SafetensorsType expected) {
  KRAIT_REQUIRE(array.type == expected, "[write_safetensors] '", array.name, "' holds ", expected,
                " and cannot be written as ", array.type, ".");
  write_all(file.descriptor(), std::as_bytes(array.tensor.span<T>()), file.target());
}

void write_array(const TemporaryFile& file, const SafetensorsOutput& array) {
  switch (array.tensor.dtype()) {
    case DType::F32:
      return write_floats<float>(file, array);
    case DType::F64:
      return write_floats<double>(file, array);
    case DType::BF16:
      return write_as_it_is<BFloat16>(file, array, SafetensorsType::BF16);
    case DType::I32:
      return write_as_it_is<std::int32_t>(file, array, SafetensorsType::I32);
    case DType::I64:
      return write_as_it_is<std::int64_t>(file, array, SafetensorsType::I64);
    case DType::U8:
      return write_as_it_is<std::uint8_t>(file, array, SafetensorsType::U8);
  }
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::vector<SafetensorsOutput> arrays,
                       const std::map<std::string, std::string>& metadata) {
  std::sort(arrays.begin(), arrays.end(), [](const auto& a, const auto& b) {
    return std::pair(a.type, std::string_view(a.name)) <
           std::pair(b.type, std::string_view(b.name));
  });
  const std::string header = header_text(arrays, metadata);
  std::array<std::byte, kAlignment> length{};
  for (std::size_t i = 0; i < length.size(); ++i) {
    length.at(i) = static_cast<std::byte>(header.size() >> (8 * i));
  }
  TemporaryFile file(path);
  write_all(file.descriptor(), length, path);
  write_all(file.descriptor(), std::as_bytes(std::span(header)), path);
  for (const SafetensorsOutput& a : arrays) write_array(file, a);
  file.commit();
}

}  // namespace krait
