#!/usr/bin/env python3
"""Distributions that policies/sampling.cc has to draw from, by transformers' own logits processors.

    benchmarks/peers/setup.sh
    benchmarks/peers/.venv/bin/python tests/oracles/make_sampling.py > tests/data/sampling.json

The processors are those that `generate` makes of a GenerationConfig, in its order. Probabilities are exp of the
log-softmax of what they leave, in float64; 0 where a token cannot be drawn.
"""
import json

import torch
import transformers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.generation import LogitsProcessorList

SETTINGS = [
    {},
    {"temperature": 0.6},
    {"top_k": 5},
    {"top_p": 0.8},
    {"min_p": 0.1},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.8},
    {"repetition_penalty": 1.2, "temperature": 0.7},
    {"temperature": 1.5, "min_p": 0.2},
    {"temperature": 0.5, "top_k": 12, "top_p": 0.9, "min_p": 0.05},
    {"repetition_penalty": 1.5, "temperature": 1.8, "top_k": 20, "top_p": 0.95, "min_p": 0.15},
    {"repetition_penalty": 1.1, "top_p": 0.5, "min_p": 0.3},
]


def main():
    torch.manual_seed(0)
    vocabulary = 24
    model = LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1))
    cases = []
    for number, settings in enumerate(SETTINGS * 3):
        logits = (1.3 * torch.randn(1, vocabulary)).float()
        context = torch.randint(0, vocabulary, (1, 9))
        config = GenerationConfig(do_sample=True, **{"top_k": 0, "top_p": 1.0, "temperature": 1.0, **settings})
        processors = model._get_logits_processor(config, input_ids_seq_length=9, logits_processor=LogitsProcessorList())
        left = processors(context, logits.clone())
        cases.append({
            "settings": settings,
            "logits": logits[0].tolist(),
            "context": context[0].tolist(),
            "probabilities": left[0].double().log_softmax(-1).exp().tolist(),
        })
    print(json.dumps({"made_with": f"transformers {transformers.__version__}, tests/oracles/make_sampling.py", "cases": cases}))


main()
