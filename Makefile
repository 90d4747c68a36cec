# The short commands. CMakePresets.json holds what they stand for.
#   KRAIT_BUILD=DIR    builds there instead of in build/
#   KRAIT_INSTALL=no   installs no packages
BUILD := $(or $(KRAIT_BUILD),build)
JOBS := $(shell nproc 2>/dev/null || echo 2)

.PHONY: build quickstart test compile-tests format tidy asan tsan clean help dependencies
.DEFAULT_GOAL := build

build: dependencies  ## build the krait binary and the tests
	cmake --preset release -B $(BUILD)
	cmake --build $(BUILD) --parallel $(JOBS)

quickstart: dependencies  ## train, evaluate and sample a small Mamba on real text (TEXT=file-or-folder: your own)
	cmake --preset release -B $(BUILD)
	cmake --build $(BUILD) --parallel $(JOBS) --target krait
	cmake/quickstart.sh "$(BUILD)/krait" "$(TEXT)"

test: compile-tests  ## build with warnings as errors and run every test that needs no GPU
	ctest --test-dir $(BUILD) --output-on-failure --no-tests=error --parallel $(JOBS) --label-exclude gpu

compile-tests: dependencies
	cmake --preset ci -B $(BUILD)
	cmake --build $(BUILD) --parallel $(JOBS)

format:  ## rewrite the sources in the project's format (clang-format 14)
	cmake/check_format.sh --fix

tidy: dependencies  ## clang-tidy over all sources (SINCE=main: only those changed since that commit)
	cmake --preset release -B $(BUILD)
	cmake/check_tidy.sh $(BUILD) $(SINCE)

asan: dependencies  ## every test under the address and undefined-behaviour sanitizers
	cmake --preset asan
	cmake --build --preset asan --parallel $(JOBS)
	ctest --preset asan --parallel $(JOBS)

tsan: dependencies  ## loader and thread pool under the thread sanitizer
	cmake --preset tsan
	cmake --build --preset tsan --parallel $(JOBS)
	ctest --preset tsan --parallel $(JOBS)

clean:  ## remove everything that was built; runs/ stays
	rm -rf $(BUILD) build-debug build-ci build-asan build-tsan build-portable build-cuda

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

dependencies:
	@cmake/install_dependencies.sh
