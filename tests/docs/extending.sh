#!/usr/bin/env bash
# The projects of docs/examples as a newcomer would meet them: copied to a folder of their own,
# configured against this build, built, tested, listed and trained for a few steps. `reverse` brings an
# environment, `parts` rewards and an algorithm.
#
#   extending.sh SOURCE_DIR BUILD_DIR WORK_DIR COMPILER_LAUNCHER
set -euo pipefail
source_dir=$1 build_dir=$2 work=$3 launcher=${4:-}
rm -rf "$work"
mkdir -p "$work"
cp -r "$source_dir/docs/examples/reverse" "$source_dir/docs/examples/parts" "$work"

# The pages show these files as they are.
python3 - "$source_dir/docs" <<'PYTHON'
import sys
shown = {"extending.md": ["reverse/reverse_env.h", "reverse/main.cc", "reverse/CMakeLists.txt", "reverse/reverse.yaml"],
         "rewards.md": ["parts/calm.h", "parts/brevity.h", "parts/variety.h"],
         "algorithms.md": ["parts/topr.h", "parts/main.cc", "parts/CMakeLists.txt"]}
for page, names in shown.items():
    text = open(sys.argv[1] + "/" + page).read()
    for name in names:
        file = open(sys.argv[1] + "/examples/" + name).read()
        assert "\n" + file + "```" in text, "docs/" + page + " shows another " + name
PYTHON

build() {  # folder: configures and builds the project there
  cd "$work/$1"
  cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$build_dir" \
    ${launcher:+-DCMAKE_CXX_COMPILER_LAUNCHER="$launcher"} >"../$1.log" 2>&1 || { cat "../$1.log"; exit 1; }
  ninja -C build -j1 >>"../$1.log" 2>&1 || { cat "../$1.log"; exit 1; }
}

build reverse
ctest --test-dir build --output-on-failure >../ctest.log 2>&1 || { cat ../ctest.log; exit 1; }

build/reverse list environments | tee ../list.txt
grep -q '^  reverse  *spell a word backwards$' ../list.txt
build/reverse show reverse | tee ../show.txt
grep -q 'letters in the word' ../show.txt
build/reverse play reverse.yaml --agent oracle -n 100 | tee ../play.txt
grep -q '^accuracy  *1  *1.000' ../play.txt
build/reverse play reverse --agent wrong -n 100 | grep '^accuracy  *1  *0.000' >/dev/null
code=0
build/reverse show revrse 2>../mistake.txt || code=$?
[ "$code" = 2 ] && grep -q "Did you mean 'reverse'" ../mistake.txt

small=(pretrain.steps=40 pretrain.tokens_per_step=512 train.steps=2 rollout.prompts=8 eval.every=2 eval.final_tasks=20)
build/reverse train reverse.yaml --name few "${small[@]}"
python3 - <<'PYTHON'
import json
rows = [json.loads(line) for line in open("runs/few/metrics.jsonl")]
assert [row["step"] for row in rows] == [1, 2] and all("reward" in row and "loss" in row for row in rows), rows
samples = [json.loads(line) for line in open("runs/few/samples.jsonl")]
assert all(sample["task"].startswith("Spell backwards: ") for sample in samples), samples[:1]
print(len(rows), "lines of metrics,", len(samples), "samples")
PYTHON
test -s runs/few/report.html
test -s runs/few/checkpoints/latest/model.safetensors

build parts
build/parts list rewards | tee ../list.txt
grep -q '^  brevity ' ../list.txt && grep -q '^  calm ' ../list.txt && grep -q '^  variety ' ../list.txt
build/parts show topr | grep 'the largest weight of a completion' >/dev/null
# One right and one wrong completion; the wrong one is half as likely by now, so it counts half: 1/2 * 0.5 * 1/2 tokens.
cat >../batch.json <<'JSON'
{"logprobs": [[-1.0], [-1.6931471805599453]], "old_logprobs": [[-1.0], [-1.0]], "rewards": [1, 0], "group": [0, 0]}
JSON
build/parts algorithm loss --name topr --input ../batch.json >../loss.json
python3 - <<'PYTHON'
import json
out = json.load(open("../loss.json"))
assert out["advantages"] == [[0.5], [-0.5]], out
assert abs(out["grad_logprobs"][0][0] + 0.25) < 1e-12 and abs(out["grad_logprobs"][1][0] - 0.125) < 1e-12, out
PYTHON
build/parts train parts.yaml --name few pretrain.steps=20 train.steps=2 rewards.1.limit=40
python3 - <<'PYTHON'
import json
rows = [json.loads(line) for line in open("runs/few/metrics.jsonl")]
assert len(rows) == 2, rows
for row in rows:
    expected = row["rewards/accuracy/mean"] + 0.1 * row["rewards/brevity/mean"] + 0.05 * row["rewards/variety/mean"]
    assert abs(row["reward"] - expected) < 1e-9, row
    assert 0 < row["rewards/variety/mean"] <= 1 and row["grad_norm"] > 0, row
# The advantage of a group's members, each against the others' mean, sums to nothing.
samples = [s for s in map(json.loads, open("runs/few/samples.jsonl")) if s["split"] == "train" and s["step"] == 1]
assert len(samples) == 4 and any(s["advantage"] for s in samples), samples
assert abs(sum(s["advantage"] for s in samples)) < 1e-5, samples
PYTHON
