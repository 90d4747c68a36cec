// Runs the krait binary as a user would.
#pragma once
#include <string>
#include <vector>

namespace krait {

struct BinaryResult {
  int code = -1;  // exit code; 128 + signal when a signal ended it
  std::string out;
  std::string err;
};

/// Runs krait with `arguments`, standard input empty, in `directory` ("" is the current one).
BinaryResult run_krait(const std::vector<std::string>& arguments,
                       const std::string& directory = {});

}  // namespace krait
