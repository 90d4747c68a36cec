// Checks that the source tree keeps to the plan: which folder includes which, which external
// headers are used where, file sizes and names, a test for each kernel.
//   check_structure ROOT          checks a tree; prints every fault, leaves with 1 if there is one
//   check_structure --self-test   makes small trees with one fault each and expects it to be found
#include "tests/check_structure.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace krait {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string_view>;

/// A folder of the house and the folders that its files may include.
struct Folder {
  std::string_view name;
  Names may_include;
};
const std::vector<Folder> kFolders{
    {"core", {"core"}},
    {"kernels", {"core", "kernels"}},
    {"autograd", {"core", "kernels", "autograd"}},
    {"layers", {"core", "autograd", "layers"}},
    {"data", {"core", "data"}},
    {"train", {"core", "kernels", "autograd", "layers", "data", "train"}},
    {"experiments", {"core", "kernels", "autograd", "layers", "data", "train", "experiments"}},
    {"tests", {"core", "kernels", "autograd", "layers", "data", "train", "experiments", "tests"}}};

/// Headers whose name starts with `header` belong to a library; only files whose path starts with
/// one of `users`, and tests, may include them.
struct Library {
  std::string_view header;
  Names users;
};
const Names kCudaUsers{"core/cuda/", "kernels/cuda/", "train/communicator_nccl"};
const Names kTextUsers{"data/", "train/", "experiments/"};
const std::vector<Library> kLibraries{{"H5", {"data/hdf5/"}},
                                      {"hdf5", {"data/hdf5/"}},
                                      {"zlib.h", {"data/files/gzip_stream"}},
                                      {"zstd", {"data/files/zstd_stream"}},
                                      {"yaml-cpp/", {"train/config/"}},
                                      {"nccl", {"train/communicator_nccl"}},
                                      {"mpi", {"train/communicator_mpi"}},
                                      {"Eigen/", {"kernels/cpu/"}},
                                      {"nlohmann/", kTextUsers},
                                      {"fmt/", kTextUsers},
                                      {"CLI/", {"experiments/"}},
                                      {"gtest/", {}},
                                      {"gmock/", {}},
                                      {"cuda", kCudaUsers},
                                      {"cublas", kCudaUsers},
                                      {"cub/", kCudaUsers},
                                      {"thrust/", kCudaUsers},
                                      {"cooperative_groups", kCudaUsers},
                                      {"mma.h", kCudaUsers},
                                      {"nvtx3/", kCudaUsers}};
const Names kSystemHeaders{
    "sys/",        "sanitizer/", "arm_neon.h", "cpuid.h",   "dirent.h",  "dlfcn.h",  "fcntl.h",
    "immintrin.h", "malloc.h",   "poll.h",     "pthread.h", "sched.h",   "signal.h", "spawn.h",
    "stdio.h",     "stdlib.h",   "string.h",   "time.h",    "termios.h", "unistd.h", "x86intrin.h"};
/// What lies behind an interface: only the folder itself may include it, and kernels/cuda what is
/// in core/cuda.
const Names kPrivate{"core/cuda/", "kernels/cpu/", "kernels/cuda/"};
/// Folders whose files nvcc compiles.
const Names kDeviceCode{"core/cuda/", "kernels/cuda/"};
const Names kBannedWords{"util", "utils", "utility", "utilities", "common", "misc"};

constexpr std::size_t kLongFile = 400;  // nine files of ten are shorter
constexpr std::size_t kMaxLines = 800;

struct Source {
  std::string path;  // relative to the root, with '/'
  std::vector<std::string> lines;
  std::string folder() const { return path.substr(0, path.find('/')); }
  std::string extension() const { return fs::path(path).extension(); }
};

bool starts_with_any(std::string_view text, const Names& prefixes) {
  return std::ranges::any_of(prefixes, [&](auto prefix) { return text.starts_with(prefix); });
}
bool contains(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}
const Folder* find_folder(std::string_view name) {
  const auto found = std::ranges::find(kFolders, name, &Folder::name);
  return found == kFolders.end() ? nullptr : &*found;
}

std::vector<Source> read_sources(const fs::path& root) {
  static const Names extensions{".h", ".hpp", ".cuh", ".cpp", ".cc", ".cu"};
  std::vector<Source> sources;
  for (const Folder& folder : kFolders) {
    if (!fs::exists(root / folder.name)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder.name)) {
      if (!entry.is_regular_file() || !contains(extensions, entry.path().extension().string())) {
        continue;
      }
      Source source{.path = entry.path().lexically_relative(root).generic_string(), .lines = {}};
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) source.lines.push_back(line);
      sources.push_back(std::move(source));
    }
  }
  std::ranges::sort(sources, {}, &Source::path);
  return sources;
}

/// A preprocessor line: "#  if X" is {"if", "X"}.
struct Directive {
  std::string_view name, argument;
};
std::optional<Directive> parse_directive(std::string_view line) {
  const auto skip_spaces = [&] {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  };
  skip_spaces();
  if (!line.starts_with('#')) return std::nullopt;
  line.remove_prefix(1);
  skip_spaces();
  const std::size_t end = std::min(line.find_first_of(" \t<\"("), line.size());
  const std::string_view name = line.substr(0, end);
  line.remove_prefix(end);
  skip_spaces();
  return Directive{name, line};
}

class Checker {
 public:
  explicit Checker(const fs::path& root) : root_(root), sources_(read_sources(root)) {}

  /// All faults, each "path:line: what is wrong".
  const std::vector<std::string>& run() {
    for (const Source& source : sources_) {
      check_name(source);
      check_place(source);
      check_lines(source);
      if (source.folder() == "kernels") check_operation(source);
    }
    check_sizes();
    return faults_;
  }
  std::string summary() const {
    return std::to_string(sources_.size()) + " files, median " + std::to_string(quantile(0.5)) +
           " lines, 90 % of them at most " + std::to_string(quantile(0.9)) + ", longest " +
           std::to_string(quantile(1));
  }

 private:
  void fault(const Source& source, std::size_t line, const std::string& what) {
    faults_.push_back(source.path + ":" + std::to_string(line) + ": " + what);
  }

  void check_name(const Source& source) {
    for (const fs::path& part : fs::path(source.path)) {
      const std::string stem = part.stem();
      for (std::size_t begin = 0; begin <= stem.size();) {
        const std::size_t end = std::min(stem.find('_', begin), stem.size());
        if (const auto word = stem.substr(begin, end - begin); contains(kBannedWords, word)) {
          fault(source, 1, "'" + word + "' says nothing: name the file after what it does");
        }
        begin = end + 1;
      }
      if (part.string().find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.") !=
          std::string::npos) {
        fault(source, 1, "file names are snake_case");
      }
    }
    if (!contains({".h", ".cpp", ".cu", ".cuh"}, source.extension())) {
      fault(source, 1, "sources end in .h, .cpp, .cu or .cuh");
    }
  }

  void check_place(const Source& source) {
    const bool device_code = source.extension() == ".cu" || source.extension() == ".cuh";
    if (device_code && !starts_with_any(source.path, kDeviceCode)) {
      fault(source, 1, "device code belongs into core/cuda or kernels/cuda");
    }
    const auto slash = source.path.find('/', sizeof("tests"));
    const bool fuzzer = source.path.starts_with("tests/fuzz/");  // named after what they read
    if (source.folder() == "tests" && !fuzzer && slash != std::string::npos) {
      const std::string tested = source.path.substr(sizeof("tests"), slash - sizeof("tests"));
      if (tested == "tests" || find_folder(tested) == nullptr || !fs::exists(root_ / tested)) {
        fault(source, 1, "tests mirror the tree: there is no folder " + tested);
      } else if (source.extension() == ".cpp" && !source.path.ends_with("_test.cpp")) {
        fault(source, 1, "only *_test.cpp is compiled here");
      }
    }
  }

  void check_lines(const Source& source) {
    bool once = source.extension() != ".h" && source.extension() != ".cuh";
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      std::string line = source.lines[i];
      if (line.find('\t') != std::string::npos) fault(source, i + 1, "a tab: indent with spaces");
      for (std::size_t next = i + 1; line.ends_with('\\') && next < source.lines.size(); ++next) {
        line.pop_back();
        line += source.lines[next];
      }
      const auto directive = parse_directive(line);
      if (!directive) continue;
      once = once || (directive->name == "pragma" && directive->argument.starts_with("once"));
      if (directive->name == "include") check_include(source, i + 1, directive->argument);
      if (contains({"if", "ifdef", "ifndef", "elif", "elifdef", "elifndef"}, directive->name) &&
          directive->argument.find("KRAIT_CUDA") != std::string_view::npos &&
          source.path != "core/device.h") {
        fault(source, i + 1, "#if on KRAIT_CUDA: use `if constexpr (kCudaEnabled)`");
      }
    }
    if (!once) fault(source, 1, "a header needs #pragma once");
  }

  void check_include(const Source& source, std::size_t line, std::string_view argument) {
    if (argument.size() < 2 || (argument[0] != '"' && argument[0] != '<')) return;
    const std::string header(argument.substr(1, argument.find_first_of("\">", 1) - 1));
    const std::string extension = fs::path(header).extension();
    if (extension == ".cpp" || extension == ".cu" || extension == ".cc") {
      fault(source, line, "includes the source file " + header);
    } else if (argument[0] == '"' && find_folder(header.substr(0, header.find('/'))) != nullptr) {
      check_internal(source, line, header);
    } else {
      check_external(source, line, header, argument[0] == '<');
    }
  }

  void check_internal(const Source& source, std::size_t line, const std::string& header) {
    const std::string folder = header.substr(0, header.find('/'));
    if (!contains(find_folder(source.folder())->may_include, folder)) {
      fault(source, line, source.folder() + " may not include " + folder + " (" + header + ")");
      return;
    }
    if (source.folder() == "tests") return;
    for (const std::string_view hidden : kPrivate) {
      const bool device_code = hidden == "core/cuda/" && source.path.starts_with("kernels/cuda/");
      if (header.starts_with(hidden) && folder != source.folder() && !device_code) {
        fault(source, line, header + " is private to " + folder);
      }
    }
  }

  void check_external(const Source& source, std::size_t line, const std::string& header,
                      bool angled) {
    const auto library = std::ranges::find_if(
        kLibraries, [&](const Library& one) { return header.starts_with(one.header); });
    if (library != kLibraries.end()) {
      if (source.folder() != "tests" && !starts_with_any(source.path, library->users)) {
        std::string users;
        for (const std::string_view user : library->users) users.append(" ").append(user);
        fault(source, line, header + " may be included only in" + users + " tests/");
      }
    } else if (!angled) {
      fault(source, line, '"' + header + "\" must be a path from the root, like core/tensor.h");
    } else if (header.find_first_of("./") != std::string::npos &&
               !starts_with_any(header, kSystemHeaders)) {
      fault(source, line, "no rule says who may include <" + header + ">: see check_structure.cpp");
    }
  }

  /// An operation is declared in kernels/op.h with a CPU backend, and has four companions.
  void check_operation(const Source& source) {
    const fs::path path = source.path;
    if (path.parent_path() != "kernels" || path.extension() != ".h" ||
        std::ranges::none_of(source.lines,
                             [](const auto& line) { return line.starts_with("namespace cpu"); })) {
      return;
    }
    const std::string name = path.stem();
    for (const std::string& companion :
         {"kernels/" + name + ".cpp", "tests/kernels/" + name + "_test.cpp"}) {
      if (!fs::exists(root_ / companion)) fault(source, 1, "has no " + companion);
    }
    if (!has_backend(name, "cpu")) fault(source, 1, "has no kernels/cpu/" + name + ".cpp");
  }

  /// The backend of an operation is one file, or several that begin with its name.
  bool has_backend(const std::string& operation, const std::string& backend) const {
    const std::string whole = "kernels/" + backend + "/" + operation + ".cpp";
    const std::string part = "kernels/" + backend + "/" + operation + "_";
    return std::ranges::any_of(sources_, [&](const Source& s) {
      const std::string path = s.path;
      return path == whole || (path.starts_with(part) && path.ends_with(".cpp"));
    });
  }

  void check_sizes() {
    std::size_t long_files = 0;
    for (const Source& source : sources_) {
      if (source.lines.size() >= kLongFile) ++long_files;
      if (source.lines.size() > kMaxLines) {
        fault(source, kMaxLines + 1, "over " + std::to_string(kMaxLines) + " lines: split it");
      }
    }
    if (long_files * 10 > sources_.size()) {
      faults_.push_back(std::to_string(long_files) + " of " + std::to_string(sources_.size()) +
                        " files have " + std::to_string(kLongFile) +
                        " lines or more: at most a tenth may");
    }
  }

  std::size_t quantile(double fraction) const {
    std::vector<std::size_t> sizes;
    for (const Source& source : sources_) sizes.push_back(source.lines.size());
    std::ranges::sort(sizes);
    if (sizes.empty()) return 0;
    return sizes[static_cast<std::size_t>(fraction * static_cast<double>(sizes.size() - 1))];
  }

  fs::path root_;
  std::vector<Source> sources_;
  std::vector<std::string> faults_;
};

}  // namespace

StructureReport check_structure(const fs::path& root) {
  Checker checker(root);
  return {.faults = checker.run(), .summary = checker.summary()};
}

}  // namespace krait

int main(int argc, char** argv) {
  const std::string argument = argc == 2 ? argv[1] : "";
  if (argument == "--self-test") return krait::structure_self_test();
  if (argument.empty() || !std::filesystem::exists(argument + "/CMakeLists.txt")) {
    std::cerr << "usage: check_structure ROOT | --self-test\n";
    return 64;
  }
  const krait::StructureReport report = krait::check_structure(argument);
  for (const std::string& fault : report.faults) std::cout << fault << "\n";
  std::cout << report.summary << "; " << report.faults.size() << " faults\n";
  return report.faults.empty() ? 0 : 1;
}
