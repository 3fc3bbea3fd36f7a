"""Writes tests/data/grpo/*.json: advantages, loss and gradient of GRPO by an independent reference.

Needs: pip install trl==1.16.0 torch. Run from the repository root: python tests/oracles/grpo_trl.py

What is run, plainly:
- Loss and gradient: TRL 1.16.0's own `GRPOTrainer._compute_loss`, the published method, unchanged. It is
  called on a stand-in for the trainer that has the settings the method reads, and whose
  `_get_per_token_logps_and_entropies` hands over the log-probabilities and entropies of the case as leaves,
  so that no model is needed. `loss_type` is "grpo" for `average: paper` and "dapo" for `average: tokens`;
  the mode is evaluation, in which TRL does not divide by accumulation steps. autograd gives the gradient
  with respect to the log-probabilities. Everything in float64.
- Advantages `trl` and `mean_only`: TRL's own statements, cut out of the source text of
  `GRPOTrainer._generate_and_score_completions` (from `mean_grouped_rewards = ...` to the division by
  `std_rewards + 1e-4`) and executed on the rewards of each group, with `scale_rewards` "group" or "none".
- Advantages `verl`: verl is not run. The formula of its `compute_grpo_outcome_advantage` is written out
  below: mean and Bessel std of the group, a group of one has mean 0 and std 1, 1e-6 is added to the std.
"""

import collections
import inspect
import json
import pathlib
import random
import textwrap
import types

import torch
import trl
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import nanstd

FOLDER = pathlib.Path("tests/data/grpo")


def trl_statements():
    source = inspect.getsource(GRPOTrainer._generate_and_score_completions)
    begin = source.index("mean_grouped_rewards = torch.nanmean(")
    end = source.index("is_std_zero = ", begin)
    begin = source.rindex("\n", 0, begin) + 1
    return compile(textwrap.dedent(source[begin:end].rstrip(" ")), "trl", "exec")


STATEMENTS = trl_statements()


def advantages(kind, groups):
    out = []
    for rewards in groups:
        r = torch.tensor(rewards, dtype=torch.float64)
        if kind == "verl":
            mean, std = (r.mean(), r.std()) if len(rewards) > 1 else (torch.tensor(0.0), torch.tensor(1.0))
            out += ((r - mean) / (std + 1e-6)).tolist()
            continue
        names = {"torch": torch, "nanstd": nanstd, "rewards": r, "num_generations": len(rewards),
                 "self": types.SimpleNamespace(scale_rewards={"trl": "group", "mean_only": "none"}[kind])}
        exec(STATEMENTS, names)
        out += names["advantages"].tolist()
    return out


class Accelerator:
    num_processes = 1
    sync_gradients = False

    def gather(self, x):
        return x

    gather_for_metrics = gather

    def reduce(self, x, reduction):
        return x


def loss_and_gradient(settings, case, per_sequence_advantages):
    lengths, longest = case["lengths"], max(case["lengths"])
    batch = len(lengths)

    def padded(flat, fill):
        rows, at = torch.full((batch, longest), fill, dtype=torch.float64), 0
        for i, n in enumerate(lengths):
            rows[i, :n] = torch.tensor(flat[at:at + n], dtype=torch.float64)
            at += n
        return rows

    # Padding holds numbers that would show if they counted.
    logprobs = padded(case["logprobs"], -3.0).requires_grad_()
    entropy = padded(case["entropy"], 5.0).requires_grad_()
    mask = torch.tensor([[int(t < n) for t in range(longest)] for n in lengths])
    if settings["mask_truncated"]:
        mask = mask * (~torch.tensor(case["truncated"])).unsqueeze(1).int()
    trainer = types.SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (logprobs, entropy, None),
        aux_loss_enabled=False, top_entropy_quantile=1.0, off_policy_mask_threshold=None, importance_sampling_level="token",
        beta=settings["kl_coef"], epsilon_low=settings["clip_ratio"],
        epsilon_high=settings["clip_ratio_high"] or settings["clip_ratio"],
        loss_type={"paper": "grpo", "tokens": "dapo"}[settings["average"]], use_vllm=False,
        vllm_importance_sampling_correction=False, model=types.SimpleNamespace(training=False), accelerator=Accelerator(),
        current_gradient_accumulation_steps=1, _entropy_bonus_enabled=settings["entropy_coef"] > 0, use_adaptive_entropy=False,
        entropy_coef=settings["entropy_coef"], _metrics={"eval": collections.defaultdict(list)},
        args=types.SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=1))
    ids = torch.zeros((batch, longest), dtype=torch.long)
    inputs = {"prompt_ids": ids[:, :1], "prompt_mask": torch.ones((batch, 1), dtype=torch.long), "completion_ids": ids,
              "completion_mask": mask, "advantages": torch.tensor(per_sequence_advantages, dtype=torch.float64),
              "old_per_token_logps": padded(case["old_logprobs"], -1.0), "ref_per_token_logps": padded(case["ref_logprobs"], -9.0),
              "num_items_in_batch": mask.sum()}
    loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    loss.backward()

    def flat(rows):
        return [rows[i, t].item() for i, n in enumerate(lengths) for t in range(n)]

    zeros = torch.zeros_like(logprobs)
    return loss.item(), flat(logprobs.grad), flat(zeros if entropy.grad is None else entropy.grad)


def draws(seed, groups, longest, spread, truncated=0.3):
    rng = random.Random(seed)
    count = sum(len(g) for g in groups)
    lengths = [rng.randint(1, longest) for _ in range(count)]

    def single(x):  # as float32 holds it
        return torch.tensor(x, dtype=torch.float32).item()

    old = [single(-rng.expovariate(0.8)) for _ in range(sum(lengths))]
    new = [single(min(-1e-4, o + rng.gauss(0, spread))) for o in old]
    ref = [single(min(-1e-4, o + rng.gauss(0, 0.5))) for o in old]
    return {"groups": groups, "lengths": lengths, "truncated": [rng.random() < truncated for _ in range(count)],
            "old_logprobs": old, "logprobs": new, "ref_logprobs": ref,
            "entropy": [single(rng.uniform(0.0, 3.0)) for _ in range(sum(lengths))]}


SETTINGS = {"clip_ratio": 0.2, "clip_ratio_high": 0.0, "kl_coef": 0.0, "entropy_coef": 0.0, "advantage": "trl", "average": "paper",
            "mask_truncated": False}
WORKED = [0.1, 1.1, 1.0, 0.1]
CASES = {
    "worked_example": (draws(1, [WORKED], 9, 0.3), [{}, {"average": "tokens"}, {"advantage": "verl"}, {"advantage": "mean_only"}]),
    "ragged": (draws(2, [WORKED, [0.0, 0.0, 1.0, 1.1, 1.1], [0.3, 0.7]], 17, 0.3),
               [{}, {"average": "tokens"}, {"kl_coef": 0.04}, {"kl_coef": 0.04, "average": "tokens"},
                {"clip_ratio_high": 0.28}, {"clip_ratio_high": 0.28, "average": "tokens", "kl_coef": 0.001},
                {"entropy_coef": 0.01, "average": "tokens"}]),
    "truncated": (draws(3, [WORKED, [1.0, 0.0, 0.0, 0.1]], 12, 0.3, 0.5),
                  [{"mask_truncated": True}, {"mask_truncated": True, "average": "tokens"},
                   {"mask_truncated": True, "kl_coef": 0.1}, {"mask_truncated": True, "kl_coef": 0.1, "average": "tokens"}, {}]),
    "all_truncated": (draws(4, [WORKED], 6, 0.3, 2.0), [{"mask_truncated": True}, {"mask_truncated": True, "average": "tokens"}]),
    "equal_rewards": (draws(5, [[1.1] * 4, [0.0] * 4, WORKED], 8, 0.3),
                      [{}, {"advantage": "verl"}, {"advantage": "mean_only"}, {"kl_coef": 0.05, "average": "tokens"}]),
    "groups_of_one": (draws(6, [[1.0], [0.1], [0.0]], 8, 0.3), [{}, {"advantage": "verl"}, {"advantage": "mean_only"},
                                                               {"advantage": "verl", "average": "tokens", "kl_coef": 0.01}]),
    "extreme_ratios": (draws(7, [WORKED, [0.2, 5.0, -3.0]], 15, 5.0),
                       [{}, {"average": "tokens"}, {"kl_coef": 0.01}, {"clip_ratio": 0.2, "clip_ratio_high": 5.0}, {"clip_ratio": 0.0}]),
}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (case, variants) in CASES.items():
        expected = []
        for changed in variants:
            settings = SETTINGS | changed
            by_sequence = advantages(settings["advantage"], case["groups"])
            loss, gradient, entropy_gradient = loss_and_gradient(settings, case, by_sequence)
            expected.append({"settings": settings, "advantages": by_sequence, "loss": loss, "gradient": gradient,
                             "entropy_gradient": entropy_gradient})
        text = json.dumps({"made_with": f"trl {trl.__version__}, tests/oracles/grpo_trl.py", "batch": case, "expected": expected})
        (FOLDER / f"{name}.json").write_text(text + "\n")
        print(name, [round(e["loss"], 6) for e in expected])


main()
