#include "experiments/bench/reference.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "core/error.h"
#include "core/system/file.h"

namespace krait {
namespace {

constexpr std::string_view kHeader = "kernel,shape,dtype,source,gpu,ms";
constexpr std::size_t kColumns = 6;
constexpr std::size_t kMostBytes = std::size_t{1} << 20;

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> fields;
  for (;;) {
    const std::size_t comma = line.find(',');
    fields.emplace_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

KernelReference parse(std::string_view line, const std::string& where) {
  const std::vector<std::string> f = split(line);
  KRAIT_CHECK(BadData, f.size() == kColumns, where, ": ", kColumns, " fields are needed (", kHeader,
              "), got ", f.size(), ".");
  KernelReference reference{f[0], f[1], f[2], f[3], f[4], 0};
  const char* end = f[5].data() + f[5].size();
  const auto result = std::from_chars(f[5].data(), end, reference.ms);
  KRAIT_CHECK(BadData,
              result.ec == std::errc() && result.ptr == end && std::isfinite(reference.ms) &&
                  reference.ms > 0,
              where, ": ms must be a number > 0, got '", f[5], "'.");
  return reference;
}

}  // namespace

std::vector<KernelReference> read_kernel_references(const std::filesystem::path& path) {
  const std::string text = read_file(path, kMostBytes);
  std::vector<KernelReference> references;
  bool header = false;
  std::size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    const std::string where = fmt::format("{}:{}", path.string(), number);
    if (header) {
      references.push_back(parse(line, where));
    } else {
      KRAIT_CHECK(BadData, line == kHeader, where, ": the header must be ", kHeader, ".");
      header = true;
    }
  }
  KRAIT_CHECK(BadData, header, path.string(), ": there is no header ", kHeader, ".");
  return references;
}

}  // namespace krait
