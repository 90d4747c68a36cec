#!/bin/sh
# Runs clang-tidy with .clang-tidy over every source, or over those changed since a commit.
#   usage: cmake/check_tidy.sh BUILD_DIR [COMMIT]
set -eu
cd "$(dirname "$0")/.."
build=$1
since=${2:-}

tidy=
for candidate in clang-tidy-14 clang-tidy; do
  if command -v "$candidate" >/dev/null 2>&1; then tidy=$candidate; break; fi
done
if [ -z "$tidy" ]; then
  echo "clang-tidy is missing: apt install clang-tidy-14 (or clang-tidy)" >&2
  exit 69
fi

if [ -n "$since" ]; then
  git diff --name-only --diff-filter=d "$since" -- '*.cpp'
else
  git ls-files -- '*.cpp'
fi | xargs -r -P "$(nproc)" -n 1 "$tidy" -p "$build" --quiet
