"""transformers' model.generate with a real model: batches of prompts of 32 tokens, 128 new ones each, sampled at temperature 1.

Usage: generate_model.py DIR [--threads N] [--dtype float32|bfloat16] [--batches 1 8 32]. DIR is in Hugging Face layout (`cogent
model convert` makes it). No end of sequence, so that every row runs to its last token. One line of JSON a batch size: tokens a
second of the whole call, of decoding alone (the call less one that draws a single token), and of the call by processor time.
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

PROMPT_TOKENS, NEW_TOKENS = 32, 128


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)

    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(options.threads)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=getattr(torch, options.dtype)).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0

    for batch in options.batches:
        draws = torch.Generator().manual_seed(0)
        prompts = torch.randint(100, model.config.vocab_size, (batch, PROMPT_TOKENS), generator=draws)
        mask = torch.ones_like(prompts)

        def call(new):
            wall, cpu = time.perf_counter(), time.process_time()
            with torch.no_grad():
                out = model.generate(prompts, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, max_new_tokens=new)
            assert out.shape == (batch, PROMPT_TOKENS + new), out.shape
            return time.perf_counter() - wall, time.process_time() - cpu

        call(4)  # warms up
        short = statistics.median(call(1)[0] for _ in range(options.repeats))
        whole = [call(NEW_TOKENS) for _ in range(options.repeats)]
        wall, cpu = (statistics.median(times) for times in zip(*whole))
        print(json.dumps({"peer": "transformers", "dtype": options.dtype, "threads": options.threads, "batch": batch,
                          "with_prompts": round(batch * NEW_TOKENS / wall, 1),
                          "tokens_per_second": round(batch * (NEW_TOKENS - 1) / (wall - short), 1),
                          "tokens_per_cpu_second": round(batch * NEW_TOKENS / cpu, 1)}), flush=True)


if __name__ == "__main__":
    main()
