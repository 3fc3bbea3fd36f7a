"""Plain eager PyTorch: next-token loss of transformers' model, backward, clipping, AdamW.

A step is 128 sequences of 96 tokens, in one batch or in micro-batches whose gradients add up.
"""

import torch
from common import NEW_TOKENS, PROMPT_TOKENS, Clock, arguments, make_model, report

SEQUENCES = 128


def main():
    parser = arguments(__doc__)
    parser.add_argument("--micro-batch", type=int, default=SEQUENCES, help="sequences at once")
    options = parser.parse_args()
    model = make_model(options).train()
    model.config.use_cache = False
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0)
    ids = torch.randint(2, model.config.vocab_size, (SEQUENCES, PROMPT_TOKENS + NEW_TOKENS))

    phases = {"forward": [], "backward": [], "step": [], "train": []}
    for repeat in range(options.repeats + 1):
        taken = {name: {"wall": 0.0, "cpu": 0.0} for name in phases}

        def add(name, clock):
            for key, value in clock.read().items():
                taken[name][key] += value

        whole = Clock()
        for rows in ids.split(options.micro_batch):
            clock = Clock()
            loss = model(input_ids=rows, labels=rows).loss * (len(rows) / SEQUENCES)
            add("forward", clock)
            clock = Clock()
            loss.backward()
            add("backward", clock)
        clock = Clock()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        add("step", clock)
        add("train", whole)
        if repeat > 0:  # the first one warms up
            for name in phases:
                phases[name].append(taken[name])

    for name, times in phases.items():
        report("train" if name == "train" else f"train/{name}", ids.numel(), times, micro_batch=options.micro_batch)


if __name__ == "__main__":
    main()
