// A check that cannot fail is a defect: a sound tree must have no fault, and every change of it
// below must be found.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "tests/structure/check_structure.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;  // path to content

std::string lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "// line\n";
  return text;
}

std::string header(const std::string& text) {
  return "#pragma once\n" + text;
}
std::string quoted(const std::string& path) {
  return "#include \"" + path + "\"\n";
}
std::string angled(const std::string& path) {
  return "#include <" + path + ">\n";
}

Files sound_tree() {
  return {{"core/device.h", header("#ifndef KRAIT_CUDA\n#  define KRAIT_CUDA 0\n#endif\n")},
          {"core/cuda/stream.h", header(angled("cuda_runtime.h"))},
          {"kernels/gradient.h", header(quoted("core/device.h"))},
          {"kernels/op.h", header("namespace cpu {\n}\n")},
          {"kernels/op.cpp", quoted("kernels/op.h")},
          {"kernels/cpu/op.cpp", quoted("kernels/op.h") + angled("Eigen/Core")},
          {"kernels/cuda/op.cu",
           quoted("core/cuda/stream.h") + angled("cub/cub.cuh") + angled("cublasLt.h")},
          {"autograd/operations/op.cpp", quoted("kernels/op.h")},
          {"layers/basic/linear.h", header(quoted("autograd/operations/op.h") + angled("vector"))},
          {"data/hdf5/file.cpp", angled("hdf5.h") + angled("fcntl.h") + angled("sys/stat.h")},
          {"train/config/load.cpp", angled("yaml-cpp/yaml.h") + angled("fmt/core.h")},
          {"train/parallel/communicator_nccl.cpp", angled("nccl.h") + angled("cuda_runtime.h")},
          {"train/parallel/communicator_mpi.cpp", angled("mpi.h")},
          {"experiments/main.cpp",
           angled("CLI/CLI.hpp") + angled("nlohmann/json.hpp") + "auto a = \"--json\";\n"},
          {"tests/support/golden.h", header(quoted("data/hdf5/file.h"))},
          {"tests/kernels/op_test.cpp", angled("gtest/gtest.h") + quoted("tests/support/golden.h")},
          {"tests/long_enough_to_be_split_later.cpp", lines(800)},
          {"data/files/bytes.cpp",
           "// the word common in a comment, #include <CLI/CLI.hpp> too\n"
           "auto a = '\"';  // krait --json \"--json\"\nauto b = \"--\";\n"}};
}

struct Fault {
  std::string what;       // part of the message that must appear
  Files files;            // added to the sound tree, or in place of what was there
  std::string removed{};  // a file of the sound tree that is left out
};

/// One more than a room may hold.
Files seventeen_units() {
  Files files;
  for (char name = 'a'; name < 'a' + 17; ++name) {
    files[std::string("data/text/") + name + ".cpp"] = "";
  }
  return files;
}

std::vector<Fault> include_faults() {
  return {
      {"core may not include kernels", {{"core/a.cpp", quoted("kernels/op.h")}}},
      {"kernels may not include autograd",
       {{"kernels/a.cpp", "  # include \"autograd/operations/op.h\"\n"}}},
      {"kernels may not include data", {{"kernels/cpu/a.cpp", quoted("data/files/bytes.h")}}},
      {"autograd may not include layers",
       {{"autograd/a.h", header(quoted("layers/basic/linear.h"))}}},
      {"layers may not include kernels", {{"layers/a.cpp", quoted("kernels/op.h")}}},
      {"data may not include autograd", {{"data/files/a.cpp", quoted("autograd/operations/op.h")}}},
      {"data may not include train", {{"data/files/a.cpp", quoted("train/config/config.h")}}},
      {"train may not include experiments", {{"train/a.cpp", quoted("experiments/a.h")}}},
      {"train may not include tests", {{"train/a.cpp", quoted("tests/support/golden.h")}}},
      {"data/files/a.cpp:2:", {{"data/files/a.cpp", "\n" + quoted("layers/basic/linear.h")}}},
      {"private to kernels", {{"autograd/a.cpp", quoted("kernels/cpu/op.h")}}},
      {"private to core", {{"kernels/a.cpp", quoted("core/cuda/stream.h")}}},
      {"hdf5.h may be included only in", {{"data/files/a.cpp", angled("hdf5.h")}}},
      {"H5Cpp.h may be included only in", {{"train/a.cpp", angled("H5Cpp.h")}}},
      {"zlib.h may be included only in", {{"data/build/a.cpp", angled("zlib.h")}}},
      {"zstd.h may be included only in", {{"train/a.cpp", angled("zstd.h")}}},
      {"yaml.h may be included only in", {{"train/a.cpp", angled("yaml-cpp/yaml.h")}}},
      {"nccl.h may be included only in", {{"train/parallel/communicator.cpp", angled("nccl.h")}}},
      {"mpi.h may be included only in", {{"train/parallel/communicator.cpp", angled("mpi.h")}}},
      {"cuda_runtime.h may be included only", {{"autograd/a.cpp", angled("cuda_runtime.h")}}},
      {"cuda_runtime.h may be included only", {{"core/a.cpp", quoted("cuda_runtime.h")}}},
      {"thrust/sort.h may be included only", {{"kernels/cpu/a.cpp", angled("thrust/sort.h")}}},
      {"Eigen/Core may be included only in", {{"kernels/a.cpp", angled("Eigen/Core")}}},
      {"json.hpp may be included only in", {{"layers/a.cpp", angled("nlohmann/json.hpp")}}},
      {"fmt/core.h may be included only in", {{"core/a.cpp", angled("fmt/core.h")}}},
      {"CLI.hpp may be included only in", {{"train/a.cpp", angled("CLI/CLI.hpp")}}},
      {"gtest.h may be included only in", {{"core/a.cpp", angled("gtest/gtest.h")}}},
      {"no rule says", {{"core/a.cpp", angled("boost/any.hpp")}}},
      {"must be a path from the root", {{"core/a.cpp", quoted("device.h")}}},
      {"must be a path from the root", {{"core/a.cpp", quoted("../core/device.h")}}},
      {"core may not include core/stream", {{"core/a.cpp", quoted("core/stream/stream.h")}}},
      {"data/files may not include data/hdf5", {{"data/files/a.cpp", quoted("data/hdf5/file.h")}}},
      {"kernels may not include kernels/cpu", {{"kernels/a.cpp", quoted("kernels/cpu/op.h")}}},
      {"train/step may not include train/config",
       {{"train/step/a.cpp", quoted("train/config/config.h")}}},
      {"train/evaluate may not include train",
       {{"train/evaluate/a.cpp", quoted("train/trainer.h")}}},
      {"layers/basic may not include layers/models",
       {{"layers/basic/a.cpp", quoted("layers/models/a.h")}}},
      {"no rule says what this room may include", {{"data/attic/a.cpp", ""}}},
      {"a circle of includes: core/a -> core/b -> core/a",
       {{"core/a.cpp", quoted("core/b.h")},
        {"core/b.h", header(quoted("core/c.h"))},
        {"core/b.cpp", quoted("core/a.h")}}},
      {"includes the source file", {{"tests/core/a_test.cpp", quoted("core/a.cpp")}}},
  };
}

std::vector<Fault> other_faults() {
  return {
      {"#if on KRAIT_CUDA", {{"core/a.cpp", "#if KRAIT_CUDA\n#endif\n"}}},
      {"#if on KRAIT_CUDA", {{"kernels/a.cpp", "# ifdef KRAIT_CUDA\n#endif\n"}}},
      {"#if on KRAIT_CUDA",
       {{"train/a.cpp", "#if 0\n#elif 1 && \\\n defined(KRAIT_CUDA)\n#endif\n"}}},
      {"'utils' says nothing", {{"core/utils.cpp", ""}}},
      {"'util' says nothing", {{"data/files/string_util.cpp", ""}}},
      {"'common' says nothing", {{"layers/basic/common_a.cpp", ""}}},
      {"snake_case", {{"layers/basic/Linear.cpp", ""}}},
      {"sources end in", {{"core/a.hpp", ""}}},
      {"#pragma once", {{"core/a.h", "int a();\n"}}},
      {"core/a.cpp:2: a tab", {{"core/a.cpp", "int a;\n\tint b;\n"}}},
      {"core/a.cpp:801: over 800 lines",
       {{"core/a.cpp", lines(801)}},
       "tests/long_enough_to_be_split_later.cpp"},
      {"2 of 19 files have 400 lines or more", {{"core/a.cpp", lines(400)}}},
      {"core/a.cpp:2: a flag in a message",
       {{"core/a.cpp", "\nauto a = \"raise --max-line.\";\n"}}},
      {"a flag in a message", {{"train/a.cpp", "f(\"a \\\" b\", \"--dtype\");\n"}}},
      {"device code belongs", {{"autograd/op.cu", ""}}},
      {"has no kernels/op.cpp", {}, "kernels/op.cpp"},
      {"has no kernels/cpu/op.cpp", {}, "kernels/cpu/op.cpp"},
      {"has no tests/kernels/op_test.cpp", {}, "tests/kernels/op_test.cpp"},
      {"there is no folder engine", {{"tests/engine/a_test.cpp", ""}}},
      {"there is no folder core/engine", {{"tests/core/engine/a_test.cpp", ""}}},
      {"17 units in one room", seventeen_units()},
      {"only *_test.cpp is compiled", {{"tests/core/device_tests.cpp", ""}}},
  };
}

/// Writes the files below `root`, checks them, and removes them.
StructureReport report_on(const fs::path& root, const Files& files) {
  for (const auto& [path, content] : files) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << content;
  }
  StructureReport report = check_structure(root);
  fs::remove_all(root);
  return report;
}

/// Whether the tree has exactly the one fault that is expected (none: `what` is empty).
bool expect(const fs::path& root, const Fault& fault) {
  Files files = fault.files;
  files.merge(sound_tree());
  files.erase(fault.removed);
  const StructureReport report = report_on(root, files);
  const std::size_t wanted = fault.what.empty() ? 0 : 1;
  if (report.faults.size() == wanted &&
      (wanted == 0 || report.faults[0].find(fault.what) != std::string::npos)) {
    return true;
  }
  std::cout << "expected " << (wanted == 0 ? "no fault" : "only: " + fault.what) << "\n";
  for (const std::string& found : report.faults) std::cout << "  found " << found << "\n";
  return false;
}

}  // namespace

int structure_self_test() {
  std::string name = (fs::temp_directory_path() / "krait_structure_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    std::cout << "cannot make a folder in " << fs::temp_directory_path() << "\n";
    return 1;
  }
  const fs::path root = fs::path(name) / "tree";
  std::vector<Fault> cases{{"", {}}};
  for (const auto& faults : {include_faults(), other_faults()}) {
    cases.insert(cases.end(), faults.begin(), faults.end());
  }
  std::size_t missed = 0;
  for (const Fault& one : cases) {
    if (!expect(root, one)) ++missed;
  }
  fs::remove_all(name);
  std::cout << cases.size() << " trees checked, " << missed << " wrongly\n";
  return missed == 0 ? 0 : 1;
}

}  // namespace krait
