#!/usr/bin/env bash
# Set-up, then all tests: those of the release build, those that need no LibTorch once more under AddressSanitizer and
# UndefinedBehaviorSanitizer, and every fuzzer for ten seconds. The exit code is 0 when all passed.
#
#   ./test.sh                 everything
#   ./test.sh -R verifiers    words are passed to ctest: here, names with "verifiers" in them; no fuzzers then
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
case "${1:-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
echo "Set-up and build (release, and debug with sanitizers); what is there already is kept."
./setup.sh --tests

# One list over both builds, so that the summary at the end is of everything.
mkdir -p build/tests
printf 'subdirs("%s/tests" "%s/tests")\n' "$PWD/build/release" "$PWD/build/debug" >build/tests/CTestTestfile.cmake
echo "Tests: a line a folder; what ends in .sanitized runs under the sanitizers. What fails is printed."
[ $# = 0 ] || exec ctest --test-dir build/tests --output-on-failure --no-tests=error -j "$(nproc)" "$@"
ctest --test-dir build/tests --output-on-failure --no-tests=error -j "$(nproc)"
COGENT_FUZZ_SEED=1 scripts/fuzz.sh 10
