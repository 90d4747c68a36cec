// The safetensors format: named arrays in one file, as Hugging Face models are published.
//
//   u64 n | n bytes of JSON, padded with blanks to a multiple of 8 | the arrays, end to end
//   {"__metadata__": {"format": "pt"}, "NAME": {"dtype": "F32", "shape": [2, 3],
//    "data_offsets": [0, 24]}, ...}         offsets count from the end of the header
//
// Everything little-endian, arrays row-major. Source: the README of huggingface/safetensors.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/names.h"
#include "core/system/file.h"
#include "core/tensor/shape.h"
#include "core/tensor/tensor.h"

namespace krait {

/// The element types that Krait reads and writes, in the order in which the original writes arrays.
enum class SafetensorsType : std::uint8_t { I64, F64, F32, I32, BF16, F16, U8 };
template <>
inline constexpr std::array<std::string_view, 7> kNames<SafetensorsType>{
    "I64", "F64", "F32", "I32", "BF16", "F16", "U8"};  // as in a header
std::size_t size_of(SafetensorsType type);

/// One array in a file.
struct SafetensorsArray {
  std::string name;
  SafetensorsType type = SafetensorsType::F32;
  Shape shape;
  std::span<const std::byte> bytes;  // at any address: not aligned for the type
};

struct SafetensorsContents {
  std::vector<SafetensorsArray> arrays;         // by name
  std::map<std::string, std::string> metadata;  // __metadata__
};

/// Reads the header of a file that is in memory; the arrays point into it. `where` names the file
/// in errors.
///
/// Throws BadData unless all of this holds: the header is a JSON object of at most 100,000,000
/// bytes inside the file, without duplicate keys; types are among the above and ranks at most 6;
/// the bytes of an array are as many as its type and shape need; the arrays fill the rest of the
/// file without gaps or overlaps. Memory in proportion to the header.
SafetensorsContents parse_safetensors(std::span<const std::byte> file, const std::string& where);

/// Converts an array of floats into a contiguous CPU tensor of its shape, f32 or f64: exactly if
/// the tensor's type is at least as wide, else rounded to nearest. Throws BadData for an array of
/// integers.
void read_floats(const SafetensorsArray& array, const Tensor& to);

/// The arrays of a model directory, mapped: those of model.safetensors, or else of the shards that
/// model.safetensors.index.json lists.
class SafetensorsModel {
 public:
  /// Throws MissingInput when neither exists, BadData when parse_safetensors refuses a file, and
  /// when the index names a file outside the directory or does not list exactly the arrays of its
  /// shards.
  explicit SafetensorsModel(const std::filesystem::path& directory);

  /// By name.
  const std::vector<SafetensorsArray>& arrays() const { return arrays_; }
  /// Null when there is none of that name.
  const SafetensorsArray* find(std::string_view name) const;
  const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  void add_file(const std::filesystem::path& file);
  void read_index(const std::filesystem::path& directory, const std::filesystem::path& index);

  std::vector<std::filesystem::path> files_;
  std::vector<MappedFile> maps_;
  std::vector<SafetensorsArray> arrays_;
};

/// Whether the directory holds a file that SafetensorsModel reads.
bool has_safetensors(const std::filesystem::path& directory);

/// An array to write: a contiguous CPU tensor in the given type. Integers are written as they are,
/// floats in any float type, rounded to nearest.
struct SafetensorsOutput {
  std::string name;
  Tensor tensor;
  SafetensorsType type = SafetensorsType::F32;
};

/// Writes a file with the same bytes as the original library, whole or not at all. Throws BadData
/// when a finite value is beyond the range of its type (f16 ends at 65504), Io when the system
/// refuses.
void write_safetensors(const std::filesystem::path& path, std::vector<SafetensorsOutput> arrays,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace krait
