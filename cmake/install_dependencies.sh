#!/bin/sh
# Installs what the build and the tests (and, with `ci`, the format check) need from the
# distribution's packages. Says what and why first; does nothing when nothing is missing.
#   usage: cmake/install_dependencies.sh [build|ci]
#   KRAIT_INSTALL=no skips it, for a machine that has the libraries from somewhere else.
set -eu

group=${1:-build}
case $group in
  build | ci) ;;
  *) echo "install_dependencies.sh: unknown group '$group'. Use build or ci." >&2; exit 64 ;;
esac
[ "${KRAIT_INSTALL:-yes}" != no ] || exit 0

# group, package, the command that makes it unnecessary (or -), what it is for
packages() {
  cat <<'END'
build g++                  g++             the C++20 compiler
build cmake                cmake           the build system
build ninja-build          ninja           runs the build in parallel
build ccache               ccache          makes the next build fast
build git                  git             lists the project's own text for the quickstart
build libhdf5-dev          -               HDF5: data sets and checkpoints
build zlib1g-dev           -               zlib: text compressed by gzip
build libzstd-dev          -               libzstd: text compressed by zstd
build libpng-dev           -               libpng: images of Pathfinder
build libyaml-cpp-dev      -               YAML: configurations
build libeigen3-dev        -               Eigen: matrix products on the CPU
build nlohmann-json3-dev   -               JSON: metrics and reports
build libcli11-dev         -               CLI11: the command line
build libfmt-dev           -               fmt: formatted text
build libgtest-dev         -               GoogleTest: the tests
ci    clang-format-14      clang-format-14 the format check, which needs this version
END
}

wanted() {
  [ "$1" = build ] || [ "$1" = "$group" ]
}

installed() {
  if [ "$2" != - ] && command -v "$2" >/dev/null 2>&1; then return 0; fi
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
  echo "Krait installs its libraries with apt (Debian, Ubuntu), which this machine does not have."
  echo "If the build stops, install the counterparts of these packages:"
  packages | while read -r part package _ reason; do
    if wanted "$part"; then printf '  %-20s %s\n' "$package" "$reason"; fi
  done
  exit 0
fi

missing=
reasons=
while read -r part package command reason; do
  if wanted "$part" && ! installed "$package" "$command"; then
    missing="$missing $package"
    reasons="$reasons$(printf '  %-20s %s' "$package" "$reason")
"
  fi
done <<END
$(packages)
END
[ -n "$missing" ] || exit 0

printf 'Krait needs these packages, which are not installed:\n%s' "$reasons"
command_line="apt-get install --no-install-recommends$missing"

give_up() {
  echo "$1" >&2
  echo "As an administrator, run:   apt-get update && $command_line" >&2
  echo "Then start the same make command again. (With the libraries from another place:" \
       "KRAIT_INSTALL=no make ...)" >&2
  exit 69
}

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 || give_up "They cannot be installed: you are not root and there is no sudo."
  as_root=sudo
fi
echo "Installing them now: ${as_root:+sudo }$command_line"
[ -z "$as_root" ] || sudo -v || give_up "They cannot be installed: sudo refused."

# A lock held by the machine's own updates, or a mirror that is being updated, passes in a moment.
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 \
    -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
attempt=1
until apt update; do
  if [ "$attempt" -eq 3 ]; then
    echo "apt-get update failed $attempt times; going on with the package lists that are there." >&2
    break
  fi
  sleep $((attempt * 5))
  attempt=$((attempt + 1))
done
# shellcheck disable=SC2086  # a list of words
apt install -y --no-install-recommends $missing ||
  give_up "apt-get could not install them: see its message above. (Ubuntu: the packages are in 'universe'.)"
