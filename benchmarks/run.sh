#!/usr/bin/env bash
# The engine beside transformers, eager PyTorch and TRL, in one run and one table.
#
#   benchmarks/run.sh                    about 5 minutes on a quiet machine, and 7 GB of peers the first time
#   benchmarks/run.sh --rounds 1 --repeats 1       a quick look
#   benchmarks/run.sh --ours             the engine alone
#   benchmarks/run.sh --python PYTHON    peers from another environment than benchmarks/peers/.venv
#   benchmarks/run.sh --build DIR        an engine_bench that is built there already
#   benchmarks/run.sh --peer-allocator   gives the peers the allocator settings that our programs give themselves
#
# Each round measures everything once, so that a slow minute of the machine falls on all alike. What was
# measured stays in build/benchmarks, and `python3 benchmarks/table.py build/benchmarks` prints it again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=3 repeats=3 peers=1 build="" python="" allocator=()
while [ "$#" -gt 0 ]; do
  case "$1" in
    --rounds) rounds=$2; shift ;;
    --repeats) repeats=$2; shift ;;
    --python) python=$2; shift ;;
    --build) build=$2; shift ;;
    --ours) peers=0 ;;
    --peer-allocator) allocator=(MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483647) ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' benchmarks/run.sh; exit 0 ;;
    *) echo "run.sh: unknown option '$1' (see benchmarks/run.sh --help)" >&2; exit 2 ;;
  esac
  shift
done

if [ -z "$build" ]; then
  build=build/release
  ./setup.sh --dependencies
  [ -e /usr/include/benchmark/benchmark.h ] || {
    echo "run.sh: Google Benchmark is missing: apt-get install libbenchmark-dev" >&2
    exit 3
  }
  cmake --preset release -DCOGENT_BENCHMARKS=ON >/dev/null
  ninja -C "$build" engine_bench >&2
fi
if [ "$peers" = 1 ] && [ -z "$python" ]; then
  benchmarks/peers/setup.sh >&2
  python=benchmarks/peers/.venv/bin/python
fi

export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE

out=build/benchmarks
rm -rf "$out"
mkdir -p "$out"
peer() {  # name of the results, script, options
  env "${allocator[@]}" "$python" -W ignore "benchmarks/peers/$2" --repeats "$repeats" "${@:3}" >"$out/$1.jsonl" 2>"$out/$1.log" || {
    tail -n 20 "$out/$1.log" >&2
    echo "run.sh: benchmarks/peers/$2 failed, see above and $out/$1.log" >&2
    exit 1
  }
}
for round in $(seq "$rounds"); do
  echo "==> round $round of $rounds" >&2
  "$build/engine_bench" --benchmark_min_time=0.2 --benchmark_repetitions="$repeats" \
    --benchmark_out="$out/engine-$round.json" --benchmark_out_format=json >/dev/null 2>"$out/engine-$round.log" || {
    tail -n 20 "$out/engine-$round.log" >&2
    exit 1
  }
  [ "$peers" = 1 ] || continue
  peer "generate-$round" generate_transformers.py
  peer "train-128-$round" train_eager.py
  peer "train-16-$round" train_eager.py --micro-batch 16
  peer "grpo-$round" grpo_trl.py
done
echo "Peers: ${allocator[*]:-as installed}"
awk -F': *' '/^model name/ {print "Processor: " $2; exit}' /proc/cpuinfo
uptime | sed 's/.*load average/Load average while measuring/'
python3 benchmarks/table.py "$out" | tee "$out/table.md"
