// The sources and the compiler that this binary was built with; recorded in checkpoints and printed
// by --version.
#pragma once
#include <string>
#include <string_view>

namespace krait {

struct BuildInfo {
  std::string_view version;     // "0.1.0"
  std::string_view source;      // git describe, "-dirty" for uncommitted changes; "unknown"
  std::string_view compiler;    // "GNU 12.2.0"
  std::string_view flags;       // "-O3 -DNDEBUG -march=native"
  std::string_view build_type;  // "Release"
  std::string_view system;      // "Linux x86_64"
  bool cuda = false;
  bool mpi = false;
  bool nccl = false;
};

/// Set when the build is configured, which happens again after a new commit.
const BuildInfo& build_info();

/// All of it as a few lines of text, the last without a newline.
std::string describe_build();

}  // namespace krait
