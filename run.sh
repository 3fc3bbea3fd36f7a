#!/usr/bin/env bash
# Set-up, then the main job: R1-Zero from scratch on this machine, into runs/r1_zero.
#
#   ./run.sh                     a finished run is only pointed at, an unfinished one goes on
#   ./run.sh --again             once more, into runs/r1_zero-2, -3, ...
#   ./run.sh training.steps=50   settings of experiments/configs/r1_zero.yaml, for a run of its own
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
case "${1:-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
./setup.sh

name=r1_zero
config=experiments/configs/r1_zero.yaml
new_name() {  # the first that is free
  local n=2
  while [ -e "runs/r1_zero-$n" ]; do n=$((n + 1)); done
  name=r1_zero-$n
}
show() {
  echo
  echo "The report: $PWD/runs/$name/report.html (one file; open it in a browser)"
  echo "The numbers: runs/$name/summary.json; held-out problems: build/release/cogent eval runs/$name"
}

resume=()
if [ "${1:-}" = --again ]; then
  shift
  new_name
elif [ "$#" -gt 0 ] && [ -e runs/r1_zero ]; then
  new_name
elif [ -f runs/r1_zero/summary.json ]; then
  echo "runs/r1_zero is finished already; './run.sh --again' makes another."
  show
  exit 0
elif [ -e runs/r1_zero/checkpoints/latest ]; then
  resume=(--resume)
elif [ -e runs/r1_zero ]; then
  new_name
fi
build/release/cogent train "$config" --name "$name" "${resume[@]}" "$@"
show
