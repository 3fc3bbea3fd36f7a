"""math-verify on the cases of tests/data: verdicts, false positives, and cases per second of CPU time.

    python3 -m venv /tmp/math-verify && /tmp/math-verify/bin/pip install math-verify==0.9.0 antlr4-python3-runtime==4.13.2
    /tmp/math-verify/bin/python benchmarks/peers/math_verify_rate.py tests/data/math_cases.jsonl

The rate is over the cases that are neither long nor bombs, the same as `verifiers_bench
--benchmark_filter=MathCases` takes. Bare LaTeX is put in dollars, which is how the peer does best.
"""
import json
import logging
import sys
import time

from math_verify import parse, verify

LONGEST = 600


def plain(case):
    note = case.get("note", "")
    bomb = "5 s limit" in note or "bomb" in note or case.get("class") == "hostile"
    return not bomb and len(case["prediction"].encode()) <= LONGEST


def in_dollars(text):
    marked = any(mark in text for mark in ("$", "\\(", "\\[", "\\boxed", "answer"))
    return text if marked or not text.strip() or len(text) > 200 else f"${text}$"


def main():
    logging.disable(logging.CRITICAL)
    cases = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
    cases = [case for case in cases if plain(case)]
    right = wrong_accepted = negatives = 0
    begin = time.process_time()
    for case in cases:
        try:
            verdict = bool(verify(parse(in_dollars(case["gold"])), parse(in_dollars(case["prediction"]))))
        except Exception:  # what the peer cannot read, it does not accept
            verdict = False
        right += verdict == case["expected"]
        negatives += not case["expected"]
        wrong_accepted += verdict and not case["expected"]
    seconds = time.process_time() - begin
    print(f"math-verify: {len(cases)} cases, {right} right, {wrong_accepted} of {negatives} false positives, "
          f"{len(cases) / seconds:.0f} a second of CPU time")


if __name__ == "__main__":
    main()
