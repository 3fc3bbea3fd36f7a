"""What the scores of several seeds say of R1's claims:

    python3 claims.py                               of seed_*.csv beside this file
    python3 claims.py runs/seed_1 runs/seed_2 ...   of pipelines, and what their makers of cold-start data and their judges did

Differences are between stages of one seed; mean and 95% interval by t over the seeds, in percentage points or tokens.
"""
import csv
import glob
import json
import math
import os
import sys

T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # two-sided 95% quantiles of t by the number of seeds

RIGHT, MIXED, WORDS = "rewards/accuracy_signs/mean", "rewards/mixed/mean", "rewards/language/mean"
TOKENS, CHECKED = "rewards/tokens_signs/mean", "rewards/checked/mean"
HELPFUL, HARMLESS = "rewards/is_helpful/mean", "rewards/is_harmless/mean"

CLAIMS = [  # what, column, later stage, earlier stage
    ("R1-Zero gets better", RIGHT, "r1_zero", "base"),
    ("R1-Zero gets longer", TOKENS, "r1_zero", "base"),
    ("R1-Zero mixes languages more", MIXED, "r1_zero", "base"),
    ("SFT 1 has the skill", RIGHT, "sft_1", "base"),
    ("SFT 1 beside R1-Zero", RIGHT, "sft_1", "r1_zero"),
    ("reflection after the cold start, beside R1-Zero", CHECKED, "sft_1", "r1_zero"),
    ("reflection after the cold start, beside the base", CHECKED, "sft_1", "base"),
    ("reasoning RL keeps reflecting", CHECKED, "reasoning_rl", "sft_1"),
    ("RL without the language reward keeps reflecting", CHECKED, "no_language", "sft_1"),
    ("reasoning RL gets better", RIGHT, "reasoning_rl", "sft_1"),
    ("without a reward for language mixing stays", MIXED, "no_language", "sft_1"),
    ("the language reward cuts mixing", MIXED, "reasoning_rl", "no_language"),
    ("the language reward: words of the language", WORDS, "reasoning_rl", "no_language"),
    ("its cost in accuracy", RIGHT, "reasoning_rl", "no_language"),
    ("SFT 2 keeps the reasoning", RIGHT, "sft_2", "reasoning_rl"),
    ("SFT 2 mixes less", MIXED, "sft_2", "reasoning_rl"),
    ("the last RL keeps the reasoning", RIGHT, "final_rl", "sft_2"),
    ("the last RL mixes less", MIXED, "final_rl", "sft_2"),
    ("helpfulness rises in the last RL", HELPFUL, "final_rl", "sft_2"),
    ("harmlessness rises in the last RL", HARMLESS, "final_rl", "sft_2"),
    ("the last model beside R1-Zero: right", RIGHT, "final_rl", "r1_zero"),
    ("the last model beside R1-Zero: mixed", MIXED, "final_rl", "r1_zero"),
    ("a distilled student beats the same by RL alone", RIGHT, "student_qwen", "student_qwen_rl"),
]



def lines(run, stage):
    with open(os.path.join(run, "stages", stage + ".jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def makers(run):
    """The share of a maker's completions that is right, its lines, and how many of these are mixed or checked."""
    for stage in ("few_shot", "direct", "zero_samples"):
        with open(os.path.join(run, "stages", stage + ".jsonl.report.json"), encoding="utf-8") as file:
            report = json.load(file)
        wrong = sum(n for why, n in report["dropped"].items() if why in ("reward below min_reward", "cut by a length limit"))
        kept = lines(run, stage)
        share = {name: sum(line["rewards"][name] for line in kept) / len(kept) for name in ("mixed", "checked")}
        tokens = sum(line["tokens"] for line in kept) / len(kept)
        print(f"{run} {stage}: right {1 - wrong / report['completions']:.1%}, lines {len(kept)}, mixed {share['mixed']:.0%}, checked {share['checked']:.0%}, tokens {tokens:.0f}")


def judge(run):
    kept = {(line["prompt"], line["completion"]) for line in lines(run, "judged")}
    refused = {0: [0, 0], 1: [0, 0]}  # by mixed: refused, all
    for line in lines(run, "rejection"):
        refused[int(line["rewards"]["mixed"])][0] += (line["prompt"], line["completion"]) not in kept
        refused[int(line["rewards"]["mixed"])][1] += 1
    print(f"{run} judge: refused {refused[1][0]} of {refused[1][1]} mixed answers, {refused[0][0]} of {refused[0][1]} pure ones")


def reward_models(run):
    for stage in ("helpful", "harmless"):
        with open(os.path.join(run, "stages", stage, "eval.jsonl"), encoding="utf-8") as file:
            print(f"{run} {stage}: {json.loads(file.readlines()[-1])['accuracy']:.1%} of held-out pairs")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    runs = [name for name in sys.argv[1:] if os.path.isdir(name)]
    files = [os.path.join(name, "scores.csv") if name in runs else name for name in sys.argv[1:]] or sorted(glob.glob(os.path.join(here, "seed_*.csv")))
    if len(files) not in T:
        sys.exit(f"claims.py: {len(files)} files of scores; 2 to 5 are wanted, one a seed")
    seeds = [{row["stage"]: row for row in csv.DictReader(open(name))} for name in files]
    print("stage: right, mixed, words, checked, tokens, helpful, harmless, each for all seeds")
    for stage in seeds[0]:
        rows = [seed[stage] for seed in seeds if stage in seed]
        if not all(row.get(RIGHT) for row in rows):
            continue
        cells = [", ".join(f"{float(row[c]) * (1 if c == TOKENS else 100):.{0 if c == TOKENS else 1}f}" if row.get(c) else "-" for row in rows)
                 for c in (RIGHT, MIXED, WORDS, CHECKED, TOKENS, HELPFUL, HARMLESS)]
        print(f"{stage} | " + " | ".join(cells))
    print()
    for what, column, later, earlier in CLAIMS:
        if not all(later in seed and earlier in seed and seed[later].get(column) and seed[earlier].get(column) for seed in seeds):
            continue
        scale = 1 if column == TOKENS else 100
        values = [scale * (float(seed[later][column]) - float(seed[earlier][column])) for seed in seeds]
        mean = sum(values) / len(values)
        half = T[len(values)] * math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
        print(f"{what}: {column.split('/')[1]}, {later} less {earlier}: {mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})")
    for run in runs:
        makers(run)
        judge(run)
        reward_models(run)


main()
