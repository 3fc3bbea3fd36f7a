#!/usr/bin/env bash
# docs/examples/reverse as a newcomer would meet it: copied to a folder of its own, configured against
# this build, built, tested, listed and trained for a few steps.
#
#   extending.sh SOURCE_DIR BUILD_DIR WORK_DIR COMPILER_LAUNCHER
set -euo pipefail
source_dir=$1 build_dir=$2 work=$3
rm -rf "$work"
mkdir -p "$work"
cp -r "$source_dir/docs/examples/reverse" "$work/project"
cd "$work/project"

# docs/extending.md shows these files as they are.
python3 - "$source_dir/docs" <<'PYTHON'
import sys
page = open(sys.argv[1] + "/extending.md").read()
for name in ("reverse_env.h", "main.cc", "CMakeLists.txt"):
    text = open(sys.argv[1] + "/examples/reverse/" + name).read()
    assert "\n" + text + "```" in page, "docs/extending.md shows another " + name
PYTHON

cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$build_dir" \
  ${4:+-DCMAKE_CXX_COMPILER_LAUNCHER="$4"} >../configure.log 2>&1 || { cat ../configure.log; exit 1; }
ninja -C build -j1 >../build.log 2>&1 || { cat ../build.log; exit 1; }
ctest --test-dir build --output-on-failure >../ctest.log 2>&1 || { cat ../ctest.log; exit 1; }

build/reverse list environments | tee ../list.txt
grep -q '^  reverse  *spell a word backwards$' ../list.txt
build/reverse show reverse | tee ../show.txt
grep -q 'letters in the word' ../show.txt
code=0
build/reverse show revrse 2>../mistake.txt || code=$?
[ "$code" = 2 ] && grep -q "Did you mean 'reverse'" ../mistake.txt

build/reverse train reverse.yaml --name few
python3 - <<'PYTHON'
import json
rows = [json.loads(line) for line in open("runs/few/metrics.jsonl")]
assert rows and all("reward" in row or "loss" in row for row in rows), rows
samples = [json.loads(line) for line in open("runs/few/samples.jsonl")]
assert any("Spell backwards" in json.dumps(sample) for sample in samples), samples[:1]
print(len(rows), "lines of metrics,", len(samples), "samples")
PYTHON
test -s runs/few/report.html
