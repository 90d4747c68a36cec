// Times of kernels that were measured elsewhere, or are targets.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace krait {

/// One line of the table. Kernel, shape and dtype as `krait bench kernels` writes them.
struct KernelReference {
  std::string kernel, shape, dtype;
  std::string source;  // the program that was measured, such as a library and its version
  std::string gpu;     // where; the name that the driver gives it
  double ms = 0;
};

/// Reads comma-separated lines under the header `kernel,shape,dtype,source,gpu,ms`; fields are not
/// quoted, and lines that are empty or begin with # are skipped. Throws BadData with file and line
/// for anything else.
std::vector<KernelReference> read_kernel_references(const std::filesystem::path& path);

}  // namespace krait
