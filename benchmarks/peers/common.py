"""What the peers' scripts share: the model, the prompts, the clocks and the line of JSON they print.

One thread everywhere. `wall` is time.perf_counter; `cpu` is time.process_time, the processor time of all
threads of the process, which other work on the machine hardly moves.
"""

import argparse
import json
import os
import pathlib
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

PROMPT_TOKENS, NEW_TOKENS = 32, 64
PAD, EOS, FIRST_WORD = 0, 1, 2
CONFIG = pathlib.Path(__file__).resolve().parents[2] / "tests/data/small_moe_config.json"


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", default=str(CONFIG), help="a Hugging Face config.json")
    parser.add_argument("--repeats", type=int, default=5, help="measured repeats; the median is printed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--experts", default="", help="transformers' experts_implementation; empty = its default")
    return parser


def make_model(options):
    """Random weights in float32, as the configuration says; no download."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    keys = json.loads(pathlib.Path(options.config).read_text())
    config = AutoConfig.for_model(keys.pop("model_type"), **keys)
    if options.experts:
        config._experts_implementation = options.experts
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    assert next(model.parameters()).dtype == torch.float32
    return model


def make_prompts(count, vocabulary, seed=0):
    """[count, 32] ids that are neither padding nor the end; all rows differ."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(FIRST_WORD, vocabulary, (count, PROMPT_TOKENS), generator=generator)


class Clock:
    """Seconds since it was made, by both clocks."""

    def __init__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self):
        return {"wall": time.perf_counter() - self.wall, "cpu": time.process_time() - self.cpu}


def measure(run, repeats, warm_up=1):
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(repeats):
        clock = Clock()
        run()
        times.append(clock.read())
    return times


def report(what, tokens, times, **more):
    """One line: medians of both clocks and the tokens they stand for."""
    line = {"what": what, "tokens": tokens, "repeats": len(times)}
    for clock in ("wall", "cpu"):
        line[f"{clock}_s"] = statistics.median(t[clock] for t in times)
    print(json.dumps(line | more), flush=True)
