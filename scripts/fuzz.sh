#!/usr/bin/env bash
# Runs every fuzzer (tests/fuzz/*_fuzz.cc) for SECONDS each (default 60), one after the other. What is
# found lies in build/fuzz/findings/NAME, what was learnt in build/fuzz/corpus/NAME. Needs clang.
#
#   scripts/fuzz.sh [SECONDS [NAME...]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
[[ "$seconds" =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/fuzz.sh [SECONDS [NAME...]]" >&2; exit 2; }
shift || true
command -v clang++ >/dev/null || { echo "fuzz.sh: clang++ is missing: apt-get install clang" >&2; exit 3; }

[ -f build/fuzz/build.ninja ] || cmake --preset fuzz
names=("$@")
if [ "${#names[@]}" = 0 ]; then
  mapfile -t names < <(find tests/fuzz -name '*_fuzz.cc' -printf '%f\n' | sed 's/\.cc$//' | sort)
fi
[ "${#names[@]}" -gt 0 ] || { echo "fuzz.sh: no fuzzer in tests/fuzz" >&2; exit 1; }
ninja -C build/fuzz "${names[@]}"

failed=()
for name in "${names[@]}"; do
  mkdir -p "build/fuzz/corpus/$name" "build/fuzz/findings/$name"
  seeds=()
  [ ! -d "tests/fuzz/seeds/$name" ] || seeds=("tests/fuzz/seeds/$name")
  echo "==> $name, $seconds s"
  "build/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$name/" "build/fuzz/corpus/$name" "${seeds[@]}" \
    2>"build/fuzz/$name.log" || { failed+=("$name"); tail -30 "build/fuzz/$name.log"; }
  grep -E 'number_of_executed_units|peak_rss' "build/fuzz/$name.log" || true
done
[ "${#failed[@]}" = 0 ] || { echo "fuzz.sh: failed: ${failed[*]} (build/fuzz/findings)" >&2; exit 1; }
