#!/usr/bin/env bash
# An include against the arrows stops the configuration, with the file and what is allowed.
#
#   layers.sh SOURCE_DIR WORK_DIR
set -euo pipefail
source_dir=$1 work=$2
rm -rf "$work"
mkdir -p "$work/envs"

expect() {  # file, include line, words that the message must hold; none: it must pass
  printf '%s\n' "$2" >"$work/envs/$1"
  cat >"$work/check.cmake" <<CMAKE
cmake_minimum_required(VERSION 3.25)
include($source_dir/cmake/layers.cmake)
cogent_check_includes($work envs "$1" "core;verifiers" "tensor.cc")
CMAKE
  if cmake -P "$work/check.cmake" >"$work/out.txt" 2>&1; then
    [ -z "$3" ] || { echo "not refused: $1: $2"; exit 1; }
  else
    [ -n "$3" ] || { echo "refused: $1: $2"; cat "$work/out.txt"; exit 1; }
    grep -q "$3" "$work/out.txt" || { echo "another message:"; cat "$work/out.txt"; exit 1; }
  fi
}

expect good.cc '#include "core/rng.h"' ''
expect good.cc '#include "envs/other.h"' ''
expect good.cc '#include <re2/re2.h>' ''
expect tensor.cc '#include <ATen/core/Tensor.h>' ''
expect bad.cc '#include "policies/policy.h"' 'may include only'
expect bad.h '  #  include "experiments/cli.h"' 'may include only'
expect bad.cc '#include <ATen/core/Tensor.h>' 'must not use LibTorch'
expect bad.h '#include <torch/torch.h>' 'must not use LibTorch'
expect bad.h '#include <nlohmann/json.hpp>' 'must not show a third-party'
expect bad.h '#include <gmpxx.h>' 'must not show a third-party'
echo 'all refused that must be'
