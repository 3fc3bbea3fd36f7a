"""Prints one table from what benchmarks/run.sh left in a folder: ours beside the peers, and the floors.

Usage: table.py FOLDER. It reads engine-*.json (Google Benchmark) and *.jsonl (peers/*.py), one of each
script a round, takes the median over the rounds, and uses nothing but Python's own library.

A floor is the multiplications and additions that the shapes need, over 100 GFLOP/s, what a core of the
reference machine reaches in float32 matrix products. Elementwise work, softmax, sampling and memory count
nothing in it, so nobody reaches it; it says how much could be left at most.
"""

import collections
import json
import pathlib
import statistics
import sys

RATE, RATE_BFLOAT16 = 100e9, 215e9
PROMPT, NEW, PROMPTS, GROUP = 32, 64, 16, 8
TARGETS = {"generate/1": 8, "generate/16": 8, "generate/128": 8, "train": 2, "train_bfloat16": 2, "grpo": 3.5, "grpo_bfloat16": 3.5}
PEERS = {"generate": "transformers", "train": "eager PyTorch", "grpo": "TRL"}


class Operations:
    """Floating-point operations of the model; a multiplication with its addition is two."""

    def __init__(self, config):
        c = self.c = config
        width, heads, rank, rope = c["hidden_size"], c["num_attention_heads"], c["kv_lora_rank"], c["qk_rope_head_dim"]
        nope, value = c["qk_nope_head_dim"], c["v_head_dim"]
        attention = width * (c["q_lora_rank"] + rank + rope) + c["q_lora_rank"] * heads * (nope + rope)
        attention += rank * heads * (nope + value) + heads * value * width  # absorbed or not, as many
        dense = 3 * width * c["intermediate_size"]
        experts = c["num_experts_per_tok"] + c["n_shared_experts"]
        mixture = width * c["n_routed_experts"] + 3 * width * c["moe_intermediate_size"] * experts
        layers, first = c["num_hidden_layers"], c["first_k_dense_replace"]
        self.row = 2 * (layers * attention + first * dense + (layers - first) * mixture)
        self.head = 2 * width * c["vocab_size"]
        self.pair = 2 * layers * heads * (nope + rope + value)      # a token and a key before it, expanded
        self.pair_absorbed = 2 * layers * heads * (2 * rank + rope)  # the same while decoding from latents

    def read(self, tokens, before=0):  # a prompt, or a completion behind `before` tokens, expanded
        return tokens * self.row + self.pair * sum(before + i + 1 for i in range(tokens))

    def decode(self):  # 64 tokens: the first comes from the prompt's last row
        keys = sum(PROMPT + i for i in range(1, NEW))
        return (NEW - 1) * self.row + NEW * self.head + self.pair_absorbed * keys

    def seconds(self, what):
        if "_bfloat16" in what:  # the rollout stays float32
            plain = what.replace("_bfloat16", "")
            rollout = self.seconds("grpo/rollout") if plain == "grpo" else 0.0
            return None if self.seconds(plain) is None else rollout + (self.seconds(plain) - rollout) * RATE / RATE_BFLOAT16
        rollout = (PROMPTS * self.read(PROMPT) + PROMPTS * GROUP * self.decode()) / RATE
        # Backward is twice forward. A prompt is computed once a group.
        update = PROMPTS * self.read(PROMPT) + PROMPTS * GROUP * (self.read(NEW - 1, PROMPT) + NEW * self.head)
        update = 3 * update / RATE
        kind, _, size = what.partition("/")
        if kind == "generate":
            return int(size) * (self.read(PROMPT) + self.decode()) / RATE
        if kind == "train":
            both = 3 * PROMPTS * GROUP * (self.read(PROMPT + NEW) + (PROMPT + NEW) * self.head) / RATE
            return {"": both, "forward": both / 3, "backward": both * 2 / 3}.get(size)
        return {"": rollout + update, "rollout": rollout, "train": update}.get(size)


def read_peers(folder):
    """what -> {"tokens", "wall", "cpu"}; where a script ran in several ways, its fastest counts."""
    ways = collections.defaultdict(list)
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            if line.startswith('{"what"'):
                entry = json.loads(line)
                ways[entry["what"], entry.get("micro_batch", 0)].append(entry)
    found, best = {}, {}
    for (what, way), entries in ways.items():
        median = {clock: statistics.median(e[f"{clock}_s"] for e in entries) for clock in ("wall", "cpu")}
        median |= {"tokens": entries[0]["tokens"], "way": way}
        found[what, way] = median
        if "/" not in what or what.startswith("generate"):
            best[what] = min(best.get(what, median), median, key=lambda m: m["cpu"])
    for (what, way), median in found.items():  # phases of the way that won
        if what not in best and way == best[what.split("/")[0]]["way"]:
            best[what] = median
    return best


def engine_name(name):
    """Google Benchmark's name -> (what, threads)."""
    kind, *rest = [part for part in name.split("/") if part not in ("process_time", "real_time")]
    words = dict(part.split(":") for part in rest if ":" in part and not part.startswith(("min_time", "repeats", "iterations")))
    threads = int(words.get("threads", 1))
    return (f"{kind}/{words['batch']}" if "batch" in words else kind), threads


def read_engine(folder):
    """(what, threads) -> {"tokens", "wall", "cpu"}; phases by their counters."""
    samples = collections.defaultdict(list)
    for path in sorted(folder.glob("engine-*.json")):
        for run in json.loads(path.read_text())["benchmarks"]:
            if run.get("run_type") == "aggregate":
                continue
            what, threads = engine_name(run["name"])
            unit = {"ms": 1e-3, "us": 1e-6, "ns": 1e-9, "s": 1.0}[run["time_unit"]]
            samples[what, threads].append({"tokens": run["tokens"], "wall": run["real_time"] * unit, "cpu": run["cpu_time"] * unit})
            for key in run:
                if key.endswith("_wall_s"):
                    phase = key[: -len("_wall_s")]
                    place = what.replace("train_phases", "train") + "/" + phase
                    tokens = PROMPTS * GROUP * (PROMPT + NEW) if place == "grpo/train" else run["tokens"]
                    samples[place, threads].append({"tokens": tokens, "wall": run[key], "cpu": run[phase + "_cpu_s"]})
    return {key: {field: statistics.median(s[field] for s in runs) for field in ("tokens", "wall", "cpu")} for key, runs in samples.items()}


def show(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))) + " |")
        if number == 0:
            print("|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|")


def speed(entry, clock):
    return f"{entry['tokens'] / entry[clock]:,.0f}" if entry else "-"


def main():
    folder = pathlib.Path(sys.argv[1])
    root = pathlib.Path(__file__).resolve().parent.parent
    operations = Operations(json.loads((root / "tests/data/small_moe_config.json").read_text()))
    peers, ours = read_peers(folder), read_engine(folder)

    print("One thread against one thread, tokens per second. CPU: by processor time; wall: by the clock on the wall.\n")
    rows = [["what", "peer", "peer CPU", "ours CPU", "ratio CPU", "peer wall", "ours wall", "ratio wall", "to reach", "floor", "of floor"]]
    order = ["generate/1", "generate/16", "generate/128", "train", "train/forward", "train/backward", "train/step",
             "train_bfloat16", "grpo", "grpo/rollout", "grpo/train", "grpo/refresh", "grpo_bfloat16"]
    for what in order:
        peer, own = peers.get(what.replace("_bfloat16", "")), ours.get((what, 1))
        if not own:
            continue
        ratios = [f"{peer[c] / own[c]:.2f}" if peer else "-" for c in ("cpu", "wall")]
        floor = operations.seconds(what)
        rows.append([what, PEERS[what.split("/")[0].replace("_bfloat16", "")] if peer else "-", speed(peer, "cpu"), speed(own, "cpu"), ratios[0], speed(peer, "wall"),
                     speed(own, "wall"), ratios[1], f"{TARGETS[what]:g}" if what in TARGETS else "",
                     f"{own['tokens'] / floor:,.0f}" if floor else "", f"{floor / own['cpu']:.0%}" if floor else ""])
    show(rows)

    print("\nOurs on one thread: seconds a call, and on two.\n")
    rows = [["what", "CPU s", "wall s", "floor s", "two threads: CPU s", "wall s", "tokens/s wall"]]
    for what in order + ["read_prompts/1", "read_prompts/16", "read_prompts/128"]:
        one, two = ours.get((what, 1)), ours.get((what, 2))
        if one:
            floor = operations.seconds(what) if not what.startswith("read") else None
            rows.append([what, f"{one['cpu']:.4f}", f"{one['wall']:.4f}", f"{floor:.4f}" if floor else "",
                         f"{two['cpu']:.4f}" if two else "", f"{two['wall']:.4f}" if two else "", speed(two, "wall") if two else ""])
    show(rows)


if __name__ == "__main__":
    main()
