#!/usr/bin/env bash
# The installed library: `find_package(Cogent)` from a prefix gives a program that runs from there.
#
#   package.sh SOURCE_DIR BUILD_DIR WORK_DIR COMPILER_LAUNCHER
set -euo pipefail
source_dir=$1 build_dir=$2 work=$3
rm -rf "$work"
mkdir -p "$work"
cmake --install "$build_dir" --prefix "$work/prefix" >"$work/install.log"
cp -r "$source_dir/docs/examples/reverse" "$work/project"
cd "$work/project"
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$work/prefix" \
  ${4:+-DCMAKE_CXX_COMPILER_LAUNCHER="$4"} >../configure.log 2>&1 || { cat ../configure.log; exit 1; }
grep -q "^Cogent_DIR:PATH=$work/prefix/" build/CMakeCache.txt
ninja -C build -j1 >../build.log 2>&1 || { cat ../build.log; exit 1; }
build/reverse list environments | grep '^  reverse ' >/dev/null
"$work/prefix/bin/cogent" list rewards | grep '^  format ' >/dev/null
ldd build/reverse | grep "libcogent.so => $work/prefix/" >/dev/null
