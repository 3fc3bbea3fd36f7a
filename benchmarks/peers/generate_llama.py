"""llama.cpp with a real model: batches of prompts of 32 tokens, 128 new ones each, sampled at temperature 1, as generate_model.py.

Usage: generate_llama.py MODEL.gguf [--threads N] [--batches 1 8 32]. Each prompt is a sequence of its own in one context; every step decodes
one token of each together. Needs llama-cpp-python, built on this machine (`pip install --no-binary llama-cpp-python llama-cpp-python`),
and for weights of one precision gguf_float.py. One line of JSON a batch size: tokens a second of the whole call, of decoding alone,
and of the call by processor time.
"""

import argparse
import ctypes
import json
import random
import statistics
import time

import llama_cpp as llama

PROMPT_TOKENS, NEW_TOKENS = 32, 128


class Engine:
    def __init__(self, path, threads, sequences):
        settings = llama.llama_context_default_params()
        settings.n_ctx = (PROMPT_TOKENS + NEW_TOKENS) * sequences
        settings.n_batch = settings.n_ubatch = max(512, PROMPT_TOKENS * sequences)
        settings.n_seq_max = sequences
        settings.n_threads = settings.n_threads_batch = threads
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        assert self.model, f"{path}: llama.cpp cannot read it"
        self.context = llama.llama_init_from_model(self.model, settings)
        assert self.context, "llama.cpp made no context"
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.sequences = sequences
        self.batch = llama.llama_batch_init(settings.n_batch, 0, 1)
        self.samplers = []
        for s in range(sequences):
            chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
            llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_dist(s))
            self.samplers.append(chain)

    def decode(self, rows):
        """rows: (token, position, sequence, whether its logits are wanted)."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, position, 1, sequence, wanted
        assert llama.llama_decode(self.context, batch) == 0

    def generate(self, prompts, new):
        """The seconds of the whole, and of the steps behind the first tokens."""
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)
        start = time.perf_counter()
        self.decode([(token, at, s, at == PROMPT_TOKENS - 1) for s, prompt in enumerate(prompts) for at, token in enumerate(prompt)])
        rows = [PROMPT_TOKENS * (s + 1) - 1 for s in range(len(prompts))]
        tokens = [llama.llama_sampler_sample(sampler, self.context, row) for sampler, row in zip(self.samplers, rows)]
        under_way = time.perf_counter()
        for step in range(new - 1):
            self.decode([(token, PROMPT_TOKENS + step, s, True) for s, token in enumerate(tokens)])
            tokens = [llama.llama_sampler_sample(sampler, self.context, s) for s, sampler in enumerate(self.samplers)]
        return time.perf_counter() - start, time.perf_counter() - under_way


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    quiet = llama.llama_log_callback(lambda level, text, data: None)
    llama.llama_log_set(quiet, ctypes.c_void_p(0))
    llama.llama_backend_init()
    draws = random.Random(0)
    for batch in options.batches:
        engine = Engine(options.model, options.threads, batch)
        prompts = [[draws.randrange(100, engine.vocabulary) for _ in range(PROMPT_TOKENS)] for _ in range(batch)]
        engine.generate(prompts, 4)  # warms up
        times = []
        for _ in range(options.repeats):
            cpu = time.process_time()
            times.append((*engine.generate(prompts, NEW_TOKENS), time.process_time() - cpu))
        whole, decoding, cpu = (statistics.median(column) for column in zip(*times))
        print(json.dumps({"peer": "llama.cpp", "model": options.model.rsplit("/", 1)[-1], "threads": options.threads, "batch": batch,
                          "with_prompts": round(batch * NEW_TOKENS / whole, 1), "tokens_per_second": round(batch * (NEW_TOKENS - 1) / decoding, 1),
                          "tokens_per_cpu_second": round(batch * NEW_TOKENS / cpu, 1)}), flush=True)


if __name__ == "__main__":
    main()
