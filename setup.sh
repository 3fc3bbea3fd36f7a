#!/usr/bin/env bash
# Everything this project needs, on a machine with nothing but git and bash: system packages, LibTorch
# in .venv, and the program in build/release. What is there already is left as it is, so that a second
# time takes seconds. ./run.sh and ./test.sh call this by themselves.
#
#   ./setup.sh                the program
#   ./setup.sh --tests        and the tests, release and sanitizers
#   ./setup.sh --cuda         and build/cuda, with LibTorch's CUDA part and an nvcc from PyPI if there is none
#   ./setup.sh --dependencies nothing is built
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/setup_steps.sh

want_tests=0 want_cuda=0 want_build=1
for word in "$@"; do
  case "$word" in
    --tests) want_tests=1 ;;
    --cuda) want_cuda=1 ;;
    --dependencies) want_build=0 ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "setup.sh: unknown option '$word' (see ./setup.sh --help)" >&2; exit 2 ;;
  esac
done

[ "$want_tests" = 0 ] || packages+=("${test_packages[@]}")
install_system_packages
make_python_environment "$want_cuda"
[ "$want_tests" = 0 ] || install_test_wheels
[ "$want_build" = 1 ] || exit 0
build_preset release "$([ "$want_tests" = 1 ] && echo all || echo cogent_program)"
[ "$want_tests" = 0 ] || build_preset debug all
[ "$want_cuda" = 0 ] || build_preset cuda all
