#!/usr/bin/env bash
# Generation with a real model: ours beside the machine's own floors and beside transformers' generate, in rounds.
#
#   benchmarks/model.sh MODEL                     MODEL: a GGUF file or a directory in Hugging Face layout
#   benchmarks/model.sh MODEL --rounds 1          a quick look; 3 otherwise
#   benchmarks/model.sh MODEL --ours              without the peer
#   benchmarks/model.sh MODEL --python PYTHON     the peer from another environment than benchmarks/peers/.venv
#
# Each round measures both sides once, so that a slow minute of the machine falls on both. What was measured stays in
# build/model_benchmarks; the table is printed at the end, medians over the rounds. Wants an idle machine: two threads share
# every step, and whoever waits for a core makes both wait.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

model="" rounds=3 peers=1 python=""
while [ "$#" -gt 0 ]; do
  case "$1" in
    --rounds) rounds=$2; shift ;;
    --python) python=$2; shift ;;
    --ours) peers=0 ;;
    -h | --help) sed -n '2,12s/^# \{0,1\}//p' benchmarks/model.sh; exit 0 ;;
    -*) echo "model.sh: unknown option '$1' (see benchmarks/model.sh --help)" >&2; exit 2 ;;
    *) model=$1 ;;
  esac
  shift
done
[ -e "$model" ] || { echo "model.sh: name a model, a GGUF file or a directory; there is no '$model'" >&2; exit 2; }

cmake --preset release -DCOGENT_BENCHMARKS=ON >/dev/null
ninja -C build/release cogent_program model_bench >&2
out=build/model_benchmarks
rm -rf "$out"
mkdir -p "$out"
if [ "$peers" = 1 ]; then
  if [ -z "$python" ]; then
    benchmarks/peers/setup.sh >&2
    python=benchmarks/peers/.venv/bin/python
  fi
  build/release/cogent model convert "$model" "$out/model" >&2
fi
for round in $(seq "$rounds"); do
  echo "==> round $round of $rounds" >&2
  build/release/model_bench --model="$model" --benchmark_min_time=0.5 --benchmark_out="$out/ours-$round.json" --benchmark_out_format=json >/dev/null 2>"$out/ours-$round.log"
  grep thread "$out/ours-$round.log" >&2
  [ "$peers" = 1 ] || continue
  for dtype in float32 bfloat16; do
    "$python" -W ignore benchmarks/peers/generate_model.py "$out/model" --dtype "$dtype" --threads 2 >>"$out/peer-$round.jsonl" 2>>"$out/peer-$round.log"
  done
done
uptime | sed 's/.*load average/Load average while measuring/'
cat "$out"/ours-*.log | grep thread
python3 benchmarks/model_table.py "$out" | tee "$out/table.md"
