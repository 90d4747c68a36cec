#!/bin/sh
# Runs the GPU tests of kernels under compute-sanitizer: accesses out of bounds, races in shared
# memory, reads of memory that nothing wrote, wrong barriers. All tools run; it fails if one found
# something.
#   usage: cmake/sanitize_gpu.sh BUILD_DIR [FILTER] [TOOL...]
set -eu
build=$1
filter=${2:-Gpu*}
[ "$#" -lt 2 ] || shift
shift
[ "$#" -gt 0 ] || set -- memcheck racecheck initcheck synccheck

sanitizer=$(command -v compute-sanitizer || true)
for directory in "${CUDA_PATH:-}" /usr/local/cuda; do
  if [ -z "$sanitizer" ] && [ -x "$directory/bin/compute-sanitizer" ]; then
    sanitizer=$directory/bin/compute-sanitizer
  fi
done
if [ -z "$sanitizer" ]; then
  echo "compute-sanitizer is missing: it comes with the CUDA toolkit (cuda-sanitizer-13-0)" >&2
  exit 69
fi

# Without a GPU every test would be skipped, and nothing found.
KRAIT_EXPECT_GPU=1 "$build/tests/krait_core_tests" --gtest_brief=1 --gtest_filter='GpuDevice.*'

# Blocks as large as what was asked for and not reused: the tools see their ends and what is unset.
export KRAIT_EXACT_MEMORY=1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
found=
for tool in "$@"; do
  printf '\n== %s\n' "$tool"
  failed=
  "$sanitizer" --tool "$tool" --error-exitcode 1 --print-limit 100000 \
    "$build/tests/krait_kernels_tests" --gtest_filter="$filter" >"$log" 2>&1 || failed=1
  cat "$log"
  # racecheck does not follow the barriers of cuBLAS's kernels (nvjet) and reports races in them.
  # (To leave those kernels out makes it crash.) Any other report, or a test that fails, counts.
  if [ "$tool" = racecheck ] && [ -n "$failed" ] && grep -q '  PASSED  ' "$log" &&
    ! grep -q '  FAILED  \|Internal Sanitizer Error' "$log" &&
    ! grep 'Race reported' "$log" | grep -vq ' at nvjet_'; then
    echo "The races above are in kernels of cuBLAS alone."
    failed=
  fi
  [ -z "$failed" ] || found="$found $tool"
done
if [ -n "$found" ]; then
  printf '\nFailed:%s\n' "$found" >&2
  exit 1
fi
printf '\nNothing was found.\n'
