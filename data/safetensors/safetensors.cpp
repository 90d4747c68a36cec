#include "data/safetensors/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/parallel.h"
#include "data/files/strict_json.h"
#include "data/safetensors/float16.h"

namespace krait {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxHeader = 100'000'000;  // the limit of the original
constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kShownName = 120;
constexpr int kMaxDepth = 4;  // a shape in an entry in the object, and one to spare
constexpr std::array<std::size_t, 7> kTypeSizes{8, 8, 4, 4, 2, 2, 1};

std::string quoted(const std::string& name) {
  return "'" + name.substr(0, kShownName) + "'";
}

std::uint64_t read_length(std::span<const std::byte> file, const std::string& where) {
  KRAIT_CHECK(BadData, file.size() >= kLengthBytes, where, " has ", file.size(),
              " bytes: too short for a safetensors file; copy or download it again.");
  std::uint64_t length = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) {
    length = length << 8 | std::to_integer<std::uint64_t>(file[i]);
  }
  KRAIT_CHECK(BadData, length <= kMaxHeader, where, " claims a header of ", length,
              " bytes, more than the ", kMaxHeader,
              " that safetensors allows; it is not a safetensors file, or is damaged.");
  KRAIT_CHECK(BadData, length <= file.size() - kLengthBytes, where, " claims a header of ", length,
              " bytes, but has ", file.size(), "; copy or download it again.");
  return length;
}

/// Reads the entries of one header.
class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> data, const std::string& where)
      : data_(data), where_(where) {}

  SafetensorsArray read(const std::string& name, const json& entry) const {
    if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
        !entry.contains("shape") || !entry.contains("data_offsets")) {
      bad(name, "must have dtype, shape and data_offsets");
    }
    SafetensorsArray array{.name = name, .type = read_type(name, entry["dtype"]), .shape = {}};
    const std::uint64_t bytes = read_shape(name, entry["shape"], array);
    array.bytes = read_place(name, entry["data_offsets"]);
    if (array.bytes.size() != bytes) {
      bad(name, str("has ", array.bytes.size(), " bytes, but ", array.type, " of shape ",
                    array.shape, " needs ", bytes));
    }
    return array;
  }

 private:
  [[noreturn]] void bad(const std::string& name, const std::string& what) const {
    throw Error(ErrorKind::BadData, str(where_, ": the array ", quoted(name), " ", what, "."));
  }

  SafetensorsType read_type(const std::string& name, const json& value) const {
    if (!value.is_string()) bad(name, "has no valid dtype");
    const auto& text = value.get_ref<const std::string&>();
    const auto type = value_of<SafetensorsType>(text);
    if (!type) {
      bad(name, "is of type " + quoted(text) +
                    "; Krait reads F32, F16, BF16, F64, I32, I64 and U8: convert it first");
    }
    return *type;
  }

  /// Sets the shape and gives the bytes that it needs.
  std::uint64_t read_shape(const std::string& name, const json& value,
                           SafetensorsArray& array) const {
    if (!value.is_array() || value.size() > Shape::kMaxRank) {
      bad(name, str("must have a shape of at most ", Shape::kMaxRank, " sizes"));
    }
    std::uint64_t bytes = size_of(array.type);
    for (const json& size : value) {
      if (!size.is_number_unsigned()) bad(name, "has a size that is not a whole number");
      const auto n = size.get<std::uint64_t>();
      std::uint64_t next = 0;
      if (n > INT64_MAX || __builtin_mul_overflow(bytes, n, &next) || next > INT64_MAX) {
        bad(name, "is larger than any file");
      }
      bytes = next;
      array.shape.push_back(static_cast<std::int64_t>(n));
    }
    return bytes;
  }

  std::span<const std::byte> read_place(const std::string& name, const json& value) const {
    if (!value.is_array() || value.size() != 2 || !value[0].is_number_unsigned() ||
        !value[1].is_number_unsigned()) {
      bad(name, "must have two whole numbers as data_offsets");
    }
    const auto begin = value[0].get<std::uint64_t>(), end = value[1].get<std::uint64_t>();
    if (begin > end || end > data_.size()) {
      bad(name, str("is said to lie at bytes ", begin, " to ", end, " of ", data_.size(),
                    "; the file is cut short or damaged"));
    }
    return data_.subspan(begin, end - begin);
  }

  std::span<const std::byte> data_;
  const std::string& where_;
};

std::map<std::string, std::string> read_metadata(const json& value, const std::string& where) {
  std::map<std::string, std::string> metadata;
  KRAIT_CHECK(BadData, value.is_object(), where, ": __metadata__ must be an object.");
  for (const auto& [key, text] : value.items()) {
    KRAIT_CHECK(BadData, text.is_string(), where, ": __metadata__ must hold only texts, but ",
                quoted(key), " is not a text.");
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

/// The arrays, end to end, are all of `data`.
void check_tiling(const std::vector<SafetensorsArray>& arrays, std::span<const std::byte> data,
                  const std::string& where) {
  std::vector<const SafetensorsArray*> order;
  for (const SafetensorsArray& a : arrays) order.push_back(&a);
  const auto begin = [&](const SafetensorsArray* a) { return a->bytes.data() - data.data(); };
  std::sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
    return std::pair(begin(a), a->bytes.size()) < std::pair(begin(b), b->bytes.size());
  });
  std::ptrdiff_t end = 0;
  for (const SafetensorsArray* a : order) {
    KRAIT_CHECK(BadData, begin(a) == end, where, ": the array ", quoted(a->name),
                begin(a) < end ? " overlaps the one before it." : " has a gap before it.");
    end += static_cast<std::ptrdiff_t>(a->bytes.size());
  }
  KRAIT_CHECK(BadData, end == static_cast<std::ptrdiff_t>(data.size()), where, " has ",
              static_cast<std::ptrdiff_t>(data.size()) - end,
              " bytes after its last array, which belong to no array.");
}

/// to[i] = T(the i-th From in bytes).
template <class From, class T>
void convert(std::span<const std::byte> bytes, std::span<T> to) {
  parallel_for(
      static_cast<std::int64_t>(to.size()), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          From value;
          std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
          if constexpr (std::is_arithmetic_v<From>) {
            to[i] = static_cast<T>(value);
          } else {
            to[i] = static_cast<T>(static_cast<float>(value));
          }
        }
      });
}

}  // namespace

std::size_t size_of(SafetensorsType type) {
  return kTypeSizes.at(static_cast<std::size_t>(type));
}

SafetensorsContents parse_safetensors(std::span<const std::byte> file, const std::string& where) {
  const std::uint64_t length = read_length(file, where);
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  KRAIT_CHECK(BadData, text.starts_with('{'), where,
              " is not a safetensors file: its header does not start with '{'.");
  const json header = parse_strict_json(text, "the header of " + where, kMaxDepth);
  const std::span<const std::byte> data = file.subspan(kLengthBytes + length);
  const HeaderReader reader(data, where);
  SafetensorsContents contents;
  for (const auto& [name, entry] : header.items()) {  // by name: json objects are sorted
    if (name == "__metadata__") {
      contents.metadata = read_metadata(entry, where);
    } else {
      contents.arrays.push_back(reader.read(name, entry));
    }
  }
  check_tiling(contents.arrays, data, where);
  return contents;
}

void read_floats(const SafetensorsArray& array, const Tensor& to) {
  KRAIT_REQUIRE(array.shape == to.shape(), "[read_floats] '", array.name, "' has shape ",
                array.shape, ", the tensor ", to.shape(), ".");
  visit_float(to.dtype(), "read_floats", [&](auto tag) {
    using T = decltype(tag);
    const std::span<T> out = to.span<T>();
    switch (array.type) {
      case SafetensorsType::F32:
        return convert<float>(array.bytes, out);
      case SafetensorsType::F64:
        return convert<double>(array.bytes, out);
      case SafetensorsType::F16:
        return convert<Float16>(array.bytes, out);
      case SafetensorsType::BF16:
        return convert<BFloat16>(array.bytes, out);
      case SafetensorsType::I64:
      case SafetensorsType::I32:
      case SafetensorsType::U8:
        throw Error(ErrorKind::BadData, str("the array ", quoted(array.name), " holds ", array.type,
                                            ", not floats; weights are floats."));
    }
  });
  to.bump_version();
}

}  // namespace krait
