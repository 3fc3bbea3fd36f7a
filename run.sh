#!/usr/bin/env bash
# Set-up, then the main job: R1-Zero from scratch on this machine, into runs/r1_zero.
#
#   ./run.sh                     a finished run is only pointed at, one that was stopped goes on
#   ./run.sh --again             once more, into runs/r1_zero-2, -3, ...
#   ./run.sh train.steps=50 ...  with settings of experiments/configs/r1_zero.yaml: a run of its own, too
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
again=0
case "${1:-}" in
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
  --again) again=1; shift ;;
esac
for word in "$@"; do
  case "$word" in
    -* | =*) echo "run.sh: unknown option '$word' (see ./run.sh --help)" >&2; exit 2 ;;
    *=*) again=1 ;;
    *) echo "run.sh: '$word' is no setting; write key=value, as train.steps=50" >&2; exit 2 ;;
  esac
done
./setup.sh

name=r1_zero config=experiments/configs/r1_zero.yaml resume=()
show() {
  echo
  echo "The report: $PWD/runs/$name/report.html (one file; open it in a browser)"
  echo "The numbers: runs/$name/summary.json; held-out problems: build/release/cogent eval runs/$name"
}

if [ -f runs/r1_zero/summary.json ] && [ "$again" = 0 ]; then
  echo "runs/r1_zero is finished already; './run.sh --again' makes another."
  show
  exit 0
elif [ -f runs/r1_zero/config.yaml ] && [ "$again" = 0 ]; then
  # Stopped, be it in pre-training: on with the settings that it began with.
  echo "runs/r1_zero was stopped; it goes on."
  config=runs/r1_zero/config.yaml resume=(--resume)
elif [ -e runs/r1_zero ] || [ "$#" -gt 0 ]; then
  n=2
  while [ -e "runs/r1_zero-$n" ]; do n=$((n + 1)); done
  name=r1_zero-$n
fi
build/release/cogent train "$config" --name "$name" "${resume[@]}" "$@"
show
