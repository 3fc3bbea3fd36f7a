#!/usr/bin/env bash
# Runs every fuzzer (tests/fuzz/*_fuzz.cc) for SECONDS each (default 60), as many at once as there are cores. What is
# found lies in build/fuzz/findings/NAME, what was learnt in build/fuzz/corpus/NAME. Needs clang.
#
#   scripts/fuzz.sh [SECONDS [NAME...]]
#   COGENT_FUZZ_SEED=1 scripts/fuzz.sh 10      the same inputs each time, as far as the time goes
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
[[ "$seconds" =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/fuzz.sh [SECONDS [NAME...]]" >&2; exit 2; }
shift || true
command -v clang++ >/dev/null || { echo "fuzz.sh: clang++ is missing: apt-get install clang" >&2; exit 3; }

[ -f build/debug/build.ninja ] || cmake --preset debug
grep -q '^COGENT_FUZZ:[A-Z]*=ON' build/debug/CMakeCache.txt || { echo "fuzz.sh: build/debug was made without the fuzzers: rm -rf build/debug, then again" >&2; exit 3; }
names=("$@")
if [ "${#names[@]}" = 0 ]; then
  mapfile -t names < <(find tests/fuzz -name '*_fuzz.cc' -printf '%f\n' | sed 's/\.cc$//' | sort)
fi
[ "${#names[@]}" -gt 0 ] || { echo "fuzz.sh: no fuzzer in tests/fuzz" >&2; exit 1; }
ninja -C build/debug "${names[@]}"

# One fuzzer a core at a time.
run() {  # seconds, name
  local seconds=$1 name=$2 seeds=()
  mkdir -p "build/fuzz/corpus/$name" "build/fuzz/findings/$name"
  [ ! -d "tests/fuzz/seeds/$name" ] || seeds=("tests/fuzz/seeds/$name")
  if "build/debug/$name" -max_total_time="$seconds" -seed="${COGENT_FUZZ_SEED:-0}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$name/" "build/fuzz/corpus/$name" "${seeds[@]}" >"build/fuzz/$name.log" 2>&1; then
    printf '%s: nothing found; %s inputs, %s MB at most\n' "$name" "$(sed -n 's/.*number_of_executed_units: *//p' "build/fuzz/$name.log")" \
      "$(sed -n 's/.*peak_rss_mb: *//p' "build/fuzz/$name.log")"
  else
    tail -30 "build/fuzz/$name.log"
    printf '%s: FAILED. Again: build/debug/%s FILE, with the newest FILE of build/fuzz/findings/%s\n' "$name" "$name" "$name"
    return 1
  fi
}
export -f run
echo "Fuzzing ${#names[@]} readers for $seconds s each"
printf '%s\n' "${names[@]}" | xargs -P "$(nproc)" -I{} bash -c 'run "$0" {}' "$seconds" ||
  { echo "fuzz.sh: a fuzzer failed, see above; once the cause is gone, keep its input in tests/fuzz/seeds" >&2; exit 1; }
