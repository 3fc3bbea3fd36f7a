#!/usr/bin/env bash
# Set-up, then all tests: those of the release build, and those that need no LibTorch once more under
# AddressSanitizer and UndefinedBehaviorSanitizer. Words are passed to ctest: ./test.sh -R verifiers
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
./setup.sh --tests

# One list over both builds, so that the summary at the end is of everything.
mkdir -p build/tests
printf 'subdirs("%s/tests" "%s/tests")\n' "$PWD/build/release" "$PWD/build/debug" >build/tests/CTestTestfile.cmake
exec ctest --test-dir build/tests --output-on-failure --no-tests=error -j "$(nproc)" "$@"
