# The short commands. CMakePresets.json holds what they stand for.
#   KRAIT_BUILD=DIR    builds there instead of in build/
#   KRAIT_INSTALL=no   installs no packages
#   KRAIT_CONFIGURE=   further options of cmake: -DKRAIT_CUDA=OFF builds without CUDA even where nvcc
#                      is; for other GPUs than Hopper ones -DKRAIT_CUDA_ARCHITECTURES=native (this
#                      machine's), or a list: "-DKRAIT_CUDA_ARCHITECTURES=80;90"
BUILD := $(or $(KRAIT_BUILD),build)
JOBS := $(shell nproc 2>/dev/null || echo 2)
GPU_JOBS := 8  # each has a context of its own in the GPU's memory
CONFIGURE := $(subst ;,\;,$(KRAIT_CONFIGURE))

.PHONY: build quickstart test gpu-test sanitize-gpu compile-tests format tidy asan tsan clean help dependencies
.DEFAULT_GOAL := build

build: dependencies  ## build the krait binary and the tests
	cmake --preset release -B $(BUILD) $(CONFIGURE)
	cmake --build $(BUILD) --parallel $(JOBS)

quickstart: dependencies  ## train, evaluate and sample a small Mamba on real text (TEXT=file-or-folder: your own)
	cmake --preset release -B $(BUILD) $(CONFIGURE)
	cmake --build $(BUILD) --parallel $(JOBS) --target krait
	cmake/quickstart.sh "$(BUILD)/krait" "$(TEXT)"

test: compile-tests  ## build with warnings as errors and run every test that needs no GPU
	ctest --test-dir $(BUILD) --output-on-failure --no-tests=error --parallel $(JOBS) --label-exclude gpu

gpu-test: compile-tests  ## the tests that need a GPU; fails where there is none
	KRAIT_EXPECT_GPU=1 ctest --test-dir $(BUILD) --output-on-failure --no-tests=error --parallel $(GPU_JOBS) --label-regex '^gpu$$'

sanitize-gpu: compile-tests  ## compute-sanitizer over the kernels' GPU tests (FILTER=GpuGemm*, TOOLS="memcheck racecheck")
	cmake/sanitize_gpu.sh $(BUILD) "$(or $(FILTER),Gpu*)" $(TOOLS)

compile-tests: dependencies
	cmake --preset ci -B $(BUILD) $(CONFIGURE)
	cmake --build $(BUILD) --parallel $(JOBS)

format:  ## rewrite the sources in the project's format (clang-format 14)
	cmake/check_format.sh --fix

tidy: dependencies  ## clang-tidy over all sources (SINCE=main: only those changed since that commit)
	cmake --preset release -B $(BUILD) $(CONFIGURE)
	cmake/check_tidy.sh $(BUILD) $(SINCE)

asan: dependencies  ## every test under the address and undefined-behaviour sanitizers
	cmake --preset asan
	cmake --build --preset asan --parallel $(JOBS)
	ctest --preset asan --parallel $(JOBS)

tsan: dependencies  ## thread pool, loader, text encoder and checkpoint writer under the thread sanitizer
	cmake --preset tsan
	cmake --build --preset tsan --parallel $(JOBS)
	ctest --preset tsan --parallel $(JOBS)

clean:  ## remove everything that was built; runs/ stays
	rm -rf $(BUILD) build-debug build-ci build-asan build-tsan build-fuzz build-portable build-cuda build-cuda-architectures

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

dependencies:
	@cmake/install_dependencies.sh
