#include "tests/structure/rules.h"

namespace krait {

const std::vector<Folder> kFolders{
    {"core", {"core"}},
    {"kernels", {"core", "kernels"}},
    {"autograd", {"core", "kernels", "autograd"}},
    {"layers", {"core", "autograd", "layers"}},
    {"data", {"core", "data"}},
    {"train", {"core", "kernels", "autograd", "layers", "data", "train"}},
    {"experiments", {"core", "kernels", "autograd", "layers", "data", "train", "experiments"}},
    {"tests", {"core", "kernels", "autograd", "layers", "data", "train", "experiments", "tests"}}};

const std::vector<Room> kRooms{
    {"core", {}},
    {"core/system", {"core"}},
    {"core/memory", {"core"}},
    {"core/stream", {"core", "core/memory"}},
    {"core/tensor", {"core", "core/memory", "core/stream"}},
    {"core/cuda", {"core/"}},

    {"kernels", {"core/", "kernels/contract"}},
    {"kernels/contract", {"core/"}},
    {"kernels/s4d", {}},
    {"kernels/cpu", {"core/", "kernels", "kernels/contract", "kernels/cpu/vector"}},
    {"kernels/cpu/s4d",
     {"core/", "kernels", "kernels/contract", "kernels/s4d", "kernels/cpu/vector"}},
    {"kernels/cpu/vector", {"core/"}},
    {"kernels/cpu/selective_scan", {"core/", "kernels", "kernels/contract", "kernels/cpu/vector"}},
    {"kernels/cuda", {"core/", "kernels", "kernels/contract", "kernels/cuda/device"}},
    {"kernels/cuda/device", {"core/"}},
    {"kernels/cuda/causal_conv1d", {"core/", "kernels", "kernels/contract", "kernels/cuda/device"}},
    {"kernels/cuda/diagonal_scan", {"core/", "kernels", "kernels/contract", "kernels/cuda/device"}},
    {"kernels/cuda/s4d",
     {"core/", "kernels", "kernels/contract", "kernels/s4d", "kernels/cuda/device"}},
    {"kernels/cuda/norm", {"core/", "kernels", "kernels/contract", "kernels/cuda/device"}},
    {"kernels/cuda/selective_scan",
     {"core/", "kernels", "kernels/contract", "kernels/cuda/device"}},

    {"autograd", {"core/", "kernels", "kernels/contract"}},
    {"autograd/operations", {"core/", "kernels", "kernels/contract", "autograd"}},

    {"layers", {"core/", "autograd/"}},
    {"layers/basic", {"core/", "autograd/", "layers"}},
    {"layers/mixers", {"core/", "autograd/", "layers", "layers/basic"}},
    {"layers/models", {"core/", "autograd/", "layers", "layers/basic", "layers/mixers"}},

    {"data/files", {"core/"}},
    {"data/unicode", {"core/"}},
    {"data/hdf5", {"core/"}},
    {"data/safetensors", {"core/", "data/files"}},
    {"data/tokenizer", {"core/", "data/files", "data/unicode"}},
    {"data/text", {"core/", "data/files", "data/tokenizer"}},
    {"data/token_set", {"core/", "data/hdf5", "data/tokenizer"}},
    {"data/build", {"core/", "data/text", "data/token_set", "data/tokenizer", "data/unicode"}},
    {"data/loader", {"core/", "data/token_set"}},
    {"data/labelled_set", {"core/", "data/files", "data/hdf5", "data/loader"}},
    {"data/probes", {"core/", "data/loader"}},
    {"data/lra",
     {"core/", "data/files", "data/unicode", "data/labelled_set", "data/lra/listops",
      "data/lra/pathfinder"}},
    {"data/lra/listops", {"core/", "data/files"}},
    {"data/lra/pathfinder", {"core/", "data/files", "data/loader"}},

    // What computes knows neither configurations nor run directories.
    {"train/config", {"core/", "layers/", "train/step"}},
    {"train/config/fields", {"core/", "layers/", "data/loader", "train/step", "train/config"}},
    {"train/record", {"core/"}},
    {"train/parallel", {"core/", "kernels"}},
    {"train/report", {"core/", "data/unicode", "train/record", "train/evaluate"}},
    {"train/evaluate", {"core/", "kernels", "autograd/", "layers/", "data/"}},
    {"train/generate", {"core/", "kernels", "autograd/", "layers/", "data/"}},
    {"train/step", {"core/", "kernels", "autograd/", "layers/", "data/loader", "train/parallel"}},
    {"train/run", {"core/", "data/hdf5", "data/tokenizer", "train/config", "train/record"}},
    {"train/model",
     {"core/", "kernels", "autograd/", "layers/", "data/", "train/config", "train/run",
      "train/model/hugging_face"}},
    {"train/model/hugging_face",
     {"core/", "layers/", "data/", "train/config", "train/run", "train/model"}},
    {"train/task",
     {"core/", "kernels", "autograd/", "layers/", "data/", "train/config", "train/model",
      "train/record", "train/run", "train/step", "train/evaluate", "train/generate"}},
    {"train", {"core/", "kernels", "autograd/", "layers/", "data/", "train/"}},

    {"experiments/bench",
     {"core/", "kernels", "kernels/contract", "autograd/", "layers/", "data/", "train/"}},
    {"experiments/commands",
     {"core/", "kernels", "autograd/", "layers/", "data/", "train/", "experiments/bench"}},
    {"experiments", {"core/", "train/", "experiments/commands"}}};

namespace {
const Names kCudaUsers{"core/cuda/", "kernels/cuda/", "train/parallel/communicator_nccl"};
const Names kTextUsers{"data/", "train/", "experiments/"};
}  // namespace

const std::vector<Library> kLibraries{{"H5", {"data/hdf5/"}},
                                      {"hdf5", {"data/hdf5/"}},
                                      {"zlib.h", {"data/files/gzip_stream"}},
                                      {"zstd", {"data/files/zstd_stream"}},
                                      {"png.h", {"data/lra/png"}},
                                      {"yaml-cpp/", {"train/config/"}},
                                      {"nccl", {"train/parallel/communicator_nccl"}},
                                      {"mpi", {"train/parallel/communicator_mpi"}},
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
const Names kPrivate{"core/cuda/", "kernels/cpu/", "kernels/cuda/"};
const Names kDeviceCode{"core/cuda/", "kernels/cuda/"};
const Names kTestFolders{"support", "fuzz", "structure"};
const Names kFlagUsers{"experiments", "tests"};
const Names kBannedWords{"util", "utils", "utility", "utilities", "common", "misc"};

}  // namespace krait
