"""Writes tests/data/algorithms/*.json: advantages, loss and gradients by the peers' own code, TRL 1.16.0 and verl 0.9.1.

Needs the environment that benchmarks/peers/setup.sh --oracles makes. Run from the repository root:
    benchmarks/peers/.venv-oracles/bin/python tests/oracles/policy_gradient.py

What is run, plainly, everything in float64:
- TRL, loss: `GRPOTrainer._compute_loss` and `RLOOTrainer._compute_loss`, the published methods, unchanged, on a stand-in for the
  trainer with the settings that they read; its `_get_per_token_logps_and_entropies` hands over the case's log-probabilities
  and entropies as leaves. The mode is evaluation, in which nothing is divided by accumulation steps, except for `bnpo` over
  several micro-batches: there the mode is training and the losses of the micro-batches are summed.
- TRL, advantages and importance weights: statements cut out of the source text of `_generate_and_score_completions` of both
  trainers and executed on the case's rewards and log-probabilities.
- verl: `core_algos.get_adv_estimator_fn`, `get_policy_loss_fn`, `kl_penalty`, `agg_loss`, `compute_value_loss`, the KL
  controller; `ray_trainer.apply_kl_penalty`; `rollout_corr_helper.compute_rollout_correction_weights`. Policy loss, entropy and
  KL are put together as in verl/workers/utils/losses.py.
- `openrlhf`, `nemo_rl`, `prompt_mean` (SkyRL) are not on PyPI in a form that runs here: formulas of the material, in tests/algorithms.
"""

import collections
import inspect
import json
import math
import pathlib
import random
import textwrap
import types

import numpy as np
import torch
import trl
import verl
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.utils import nanstd
from verl import DataProto
from verl.trainer.ppo import core_algos, ray_trainer, rollout_corr_helper
from verl.workers.config import ActorConfig, PolicyLossConfig

FOLDER = pathlib.Path("tests/data/algorithms")


# ---- batches ----


def short(value):
    """Ten significant digits: far below what is compared."""
    if isinstance(value, float):
        return float(f"{value:.10g}")
    if isinstance(value, list):
        return [short(v) for v in value]
    return {k: short(v) for k, v in value.items()} if isinstance(value, dict) else value


def draw(seed, groups, longest=9, spread=0.3, tools=False, truncated=0.3, token_rewards=False, silent=()):
    """`groups` are rewards by group. With `tools`, tokens inside a completion were not chosen by the policy; of the completions
    in `silent` none was."""
    rng = random.Random(seed)
    rewards = [r for g in groups for r in g]
    rows = [rng.randint(1, longest) for _ in rewards]
    table = lambda f: [[f() for _ in range(n)] for n in rows]  # noqa: E731
    case = {"old_logprobs": table(lambda: -rng.expovariate(0.8))}
    near = lambda s: [[min(-1e-4, o + rng.gauss(0, s)) for o in row] for row in case["old_logprobs"]]  # noqa: E731
    case |= {"logprobs": near(spread), "ref_logprobs": near(0.5), "sampler_logprobs": near(0.4), "entropies": table(lambda: rng.uniform(0, 3)),
             "old_values": table(lambda: rng.gauss(0.3, 0.5))}
    case["values"] = [[v + rng.gauss(0, 0.4) for v in row] for row in case["old_values"]]
    case["mask"] = [[int(t == n - 1 or not tools or rng.random() < 0.6) for t in range(n)] for n in rows]
    for i in silent:
        case["mask"][i] = [0] * rows[i]
    case["rewards"] = rewards
    if token_rewards:
        case["rewards"] = [[rng.choice([0.0, 0.0, 0.5, r]) if m else 0.0 for m in row] for r, row in zip(rewards, case["mask"])]
    case["truncated"] = [rng.random() < truncated for _ in rewards]
    case["greedy_rewards"] = [rng.uniform(0, 1) for _ in rewards]
    case["components"] = {name: [rng.choice([0.0, 0.5, 1.0]) for _ in rewards] for name in ("accuracy", "format")}
    case["component_weights"] = {"accuracy": 1.0, "format": 0.3}
    case["group"] = [f"prompt {g}" for g, members in enumerate(groups) for _ in members]
    return case


WORKED = [0.1, 1.1, 1.0, 0.1]
MIXED = [WORKED, [0.0, 0.0, 1.0, 1.1], [0.3, 0.7, 1.0, 0.0]]
CASES = {name: short(case) for name, case in {
    "ragged": draw(1, MIXED),
    "tools": draw(2, MIXED, longest=14, tools=True),
    "truncated": draw(3, MIXED, truncated=0.5),
    "equal_rewards": draw(4, [[1.1] * 4, [0.0] * 4, WORKED]),
    "groups_of_one": draw(5, [[1.0], [0.1], [0.0]]),
    "extreme_ratios": draw(6, MIXED, spread=4.0),
    "silent": draw(8, MIXED, silent=(2, 7)),
    "token_rewards": draw(7, MIXED, longest=12, tools=True, token_rewards=True),
}.items()}


class Padded:
    """A case as the peers hold it. Padding has numbers that would show if they counted."""

    def __init__(self, case):
        self.case, self.rows = case, [len(row) for row in case["logprobs"]]
        fills = {"logprobs": -3.0, "old_logprobs": -1.0, "ref_logprobs": -9.0, "sampler_logprobs": -2.0, "entropies": 5.0, "values": 7.0,
                 "old_values": -4.0, "mask": 0.0}
        for name, fill in fills.items():
            setattr(self, name, torch.tensor([row + [fill] * (max(self.rows) - len(row)) for row in case[name]], dtype=torch.float64))
        self.completion = torch.tensor([[1.0] * n + [0.0] * (max(self.rows) - n) for n in self.rows], dtype=torch.float64)
        for leaf in (self.logprobs, self.entropies, self.values):
            leaf.requires_grad_()
        self.truncated = torch.tensor(case["truncated"])
        self.group_size = case["group"].count(case["group"][0])
        self.rewards = torch.tensor([sum(r) if isinstance(r, list) else r for r in case["rewards"]], dtype=torch.float64)
        self.token_rewards = torch.zeros_like(self.mask)
        for i, reward in enumerate(case["rewards"]):
            if isinstance(reward, list):
                self.token_rewards[i, :len(reward)] = torch.tensor(reward, dtype=torch.float64)
            else:
                self.token_rewards[i, self.rows[i] - 1] = reward

    def ragged(self, matrix):
        matrix = matrix.detach().expand_as(self.mask) * self.mask
        return [matrix[i, :n].tolist() for i, n in enumerate(self.rows)]

    def results(self, advantages, loss):
        loss.backward()
        gradient = lambda leaf: self.ragged(torch.zeros_like(leaf) if leaf.grad is None else leaf.grad)  # noqa: E731
        return {"advantages": self.ragged(advantages if advantages.dim() == 2 else advantages.unsqueeze(1)), "loss": loss.item(),
                "grad_logprobs": gradient(self.logprobs), "grad_entropies": gradient(self.entropies)}


# ---- TRL ----


def statements(trainer, begin, end):
    source = inspect.getsource(trainer._generate_and_score_completions)
    first = source.rindex("\n", 0, source.index(begin)) + 1
    return compile(textwrap.dedent(source[first:source.rindex("\n", 0, source.index(end, first))]), trainer.__name__, "exec")


GRPO_ADVANTAGES = statements(GRPOTrainer, "mean_grouped_rewards = torch.nanmean(", "is_std_zero = ")
GRPO_BY_COMPONENT = statements(GRPOTrainer, "grouped = rewards_per_func.view(", "else:\n            raise ValueError(")
GRPO_IMPORTANCE = statements(GRPOTrainer, "per_token_logps_diff = (old", "# Compute the per-token log probabilities for the reference")
RLOO_ADVANTAGES = statements(RLOOTrainer, "# Apply reward clipping", "is_std_zero = ")


class Accelerator:
    num_processes = 1
    sync_gradients = False

    def gather(self, x):
        return x

    gather_for_metrics = gather

    def reduce(self, x, reduction):
        return x

    def pad_across_processes(self, x, dim, pad_index):
        return x


def stand_in(p, **settings):
    training = settings.pop("training", False)
    own = types.SimpleNamespace(aux_loss_enabled=False, accelerator=Accelerator(), model=types.SimpleNamespace(training=training),
                                _metrics={mode: collections.defaultdict(list) for mode in ("train", "eval")}, top_entropy_quantile=1.0,
                                off_policy_mask_threshold=None, importance_sampling_level="token", beta=0.0, epsilon_low=0.2, epsilon_high=0.2,
                                loss_type="grpo", use_vllm=False, vllm_importance_sampling_correction=False, current_gradient_accumulation_steps=1,
                                _entropy_bonus_enabled=False, use_adaptive_entropy=False, entropy_coef=0.0, max_completion_length=512,
                                get_off_policy_mask=GRPOTrainer.get_off_policy_mask, get_gamma_weights=GRPOTrainer.get_gamma_weights,
                                args=types.SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=1, sapo_temperature_pos=1.0,
                                                           sapo_temperature_neg=1.05, vespo_k_pos=2.0, vespo_lambda_pos=3.0, vespo_k_neg=3.0,
                                                           vespo_lambda_neg=2.0))
    own.get_high_entropy_mask = types.MethodType(GRPOTrainer.get_high_entropy_mask, own)
    for name, value in settings.items():
        setattr(own.args if hasattr(own.args, name) else own, name, value)
    return own


def trl_grpo(case, scale_rewards="group", components=None, mask_truncated=False, importance=None, micro_batch=None, **settings):
    p = Padded(case)
    names = {"torch": torch, "nanstd": nanstd, "rewards": p.rewards, "num_generations": p.group_size,
             "self": types.SimpleNamespace(scale_rewards=scale_rewards)}
    if components:
        names["rewards_per_func"] = torch.tensor([case["components"][name] for name in case["components"]], dtype=torch.float64).T
        names["device"], names["unscorable_mask"] = "cpu", torch.zeros(len(p.rows), dtype=torch.bool)
        names["self"].reward_funcs, names["self"].reward_weights = components, torch.tensor(components, dtype=torch.float64)
        exec(GRPO_BY_COMPONENT, names)
    else:
        exec(GRPO_ADVANTAGES, names)
    completion = p.completion * (~p.truncated).unsqueeze(1) if mask_truncated else p.completion
    inputs = {"completion_mask": completion, "tool_mask": p.mask, "advantages": names["advantages"], "old_per_token_logps": p.old_logprobs,
              "ref_per_token_logps": p.ref_logprobs, "sampling_per_token_logps": p.sampler_logprobs}
    if importance:
        mode, low, high = importance
        own = types.SimpleNamespace(vllm_importance_sampling_mode=mode, vllm_importance_sampling_clip_min=low, vllm_importance_sampling_clip_max=high)
        weigh = {"torch": torch, "math": math, "self": own, "old_per_token_logps": p.old_logprobs, "sampling_per_token_logps": p.sampler_logprobs,
                 "mask": p.mask * completion}
        exec(GRPO_IMPORTANCE, weigh)
        inputs["importance_sampling_ratio"] = weigh["vllm_importance_sampling_ratio"]
        settings |= {"use_vllm": True, "vllm_importance_sampling_correction": True}
    size = micro_batch or len(p.rows)
    pieces = [slice(at, at + size) for at in range(0, len(p.rows), size)]
    loss = 0
    for piece in pieces:
        own = stand_in(p, training=micro_batch is not None, current_gradient_accumulation_steps=len(pieces), **settings)
        own._get_per_token_logps_and_entropies = lambda *a, piece=piece, **k: (p.logprobs[piece], p.entropies[piece], None)
        part = {name: value[piece] for name, value in inputs.items()}
        part["completion_ids"] = torch.zeros_like(part["completion_mask"], dtype=torch.long)
        part |= {"prompt_ids": part["completion_ids"][:, :1], "prompt_mask": part["completion_ids"][:, :1],
                 "num_items_in_batch": (completion * p.mask).sum()}
        loss = loss + GRPOTrainer._compute_loss(own, None, part)
    return p.results(names["advantages"], loss)


def trl_rloo(case, beta=0.05, reward_clip_range=None, normalize_advantages=False, **settings):
    p = Padded(case)
    names = {"torch": torch, "nanstd": nanstd, "rewards": p.rewards, "num_generations": p.group_size, "gather": lambda x: x,
             "old_per_token_logps": p.old_logprobs, "ref_per_token_logps": p.ref_logprobs, "completion_mask": p.mask,
             "unscorable_mask": torch.zeros(len(p.rows), dtype=torch.bool),
             "self": types.SimpleNamespace(beta=beta, reward_clip_range=reward_clip_range, normalize_advantages=normalize_advantages)}
    exec(RLOO_ADVANTAGES, names)
    own = stand_in(p, **settings)
    own._get_per_token_logps_and_entropies = lambda *a, **k: (p.logprobs, p.entropies, None)
    ids = torch.zeros_like(p.mask, dtype=torch.long)
    inputs = {"prompt_ids": ids[:, :1], "prompt_mask": ids[:, :1], "completion_ids": ids, "completion_mask": p.mask,
              "old_logps": (p.old_logprobs * p.mask).sum(1), "advantages": names["advantages"]}
    return p.results(names["advantages"], RLOOTrainer._compute_loss(own, None, inputs))


# ---- verl ----


def run_verl(case, estimator, loss="vanilla", agg="token-mean", kl_reward=None, kl_loss=None, entropy=0.0, importance=None, norm=True,
             discount=1.0, gae_lambda=1.0, value_clip=None, rejection=None, components=None, **actor):
    p = Padded(case)
    token_rewards = p.token_rewards.clone()
    if kl_reward:
        coef, kind = kl_reward
        data = DataProto.from_dict({"response_mask": p.mask, "token_level_scores": token_rewards, "old_log_probs": p.old_logprobs,
                                    "ref_log_prob": p.ref_logprobs})
        data, _ = ray_trainer.apply_kl_penalty(data, core_algos.FixedKLController(coef), kl_penalty=kind)
        token_rewards = data.batch["token_level_rewards"]
    index = np.array(case["group"])
    function = None if estimator == "reverse_kl" else core_algos.get_adv_estimator_fn(estimator)
    if estimator == "gae":
        advantages, returns = function(token_rewards, p.old_values, p.mask, torch.tensor(discount), torch.tensor(gae_lambda))
    elif estimator == "reinforce_plus_plus":
        advantages, _ = function(token_level_rewards=token_rewards, response_mask=p.mask, config=types.SimpleNamespace(gamma=discount))
    elif estimator == "gdpo":
        # the places that it reads: one prompt token, and each completion's last token
        batch = {"prompts": torch.zeros(len(p.rows), 1), "attention_mask": torch.cat([torch.ones(len(p.rows), 1), p.completion], 1).long()}
        scores = {name: np.array(values) for name, values in case["components"].items()}
        advantages, _ = function(token_level_rewards=token_rewards, response_mask=p.mask, index=index, non_tensor_batch=scores, batch=batch,
                                 config={"gdpo_reward_keys": list(scores), "gdpo_reward_weights": components})
    elif estimator == "reverse_kl":  # verl's loss on advantages that are the reverse KL's
        advantages = (p.ref_logprobs - p.old_logprobs) * p.mask
    elif estimator == "remax":
        advantages, _ = function(token_level_rewards=token_rewards, reward_baselines=torch.tensor(case["greedy_rewards"], dtype=torch.float64),
                                 response_mask=p.mask)
    elif estimator.startswith("grpo") and estimator != "grpo_passk":
        advantages, _ = function(token_level_rewards=token_rewards, response_mask=p.mask, index=index, norm_adv_by_std_in_grpo=norm)
    else:
        advantages, _ = function(token_level_rewards=token_rewards, response_mask=p.mask, index=index, config={})
    weights = None
    if importance:
        level, threshold, normalize = importance
        weights, _ = rollout_corr_helper.compute_rollout_correction_weights(
            p.old_logprobs - p.sampler_logprobs, p.mask, rollout_is=level, rollout_is_threshold=threshold, rollout_is_batch_normalize=normalize)
    mask = p.mask
    if rejection:
        option, threshold = rejection
        mask, _ = rollout_corr_helper.compute_rollout_rejection_mask(p.old_logprobs - p.sampler_logprobs, p.mask, option, threshold)
    if "policy_loss" in actor:
        actor["policy_loss"] = PolicyLossConfig(**actor["policy_loss"])
    config = ActorConfig(strategy="fsdp", ppo_micro_batch_size_per_gpu=1, rollout_n=1, **actor)
    config.global_batch_info["loss_scale_factor"] = config.loss_scale_factor
    total, _ = core_algos.get_policy_loss_fn(loss)(old_log_prob=p.old_logprobs, log_prob=p.logprobs, advantages=advantages, response_mask=mask,
                                                   loss_agg_mode=agg, config=config, rollout_is_weights=weights)
    together = lambda values: core_algos.agg_loss(values, mask, agg, **config.global_batch_info)  # noqa: E731
    if entropy:
        total = total - entropy * together(p.entropies)
    if kl_loss:
        coef, kind = kl_loss
        total = total + coef * together(core_algos.kl_penalty(p.logprobs, p.ref_logprobs, kind))
    results = p.results(advantages, total)
    if value_clip is not None:
        value_loss, _ = core_algos.compute_value_loss(p.values, returns, p.old_values, p.mask, value_clip, agg)
        value_loss.backward()
        results |= {"returns": p.ragged(returns), "value_loss": value_loss.item(), "grad_values": p.ragged(p.values.grad)}
    return results


# ---- what is compared: algorithm, its settings, the peer's call, the cases ----

ALL = ["ragged", "tools", "equal_rewards", "groups_of_one", "extreme_ratios"]
MANY = [name for name in ALL if name != "groups_of_one"]  # there everything is rejected, and verl divides 0 by 0
CUT = ["truncated"]
SILENT = ["silent"]
OFF = {"kl_coef": 0}
DUAL = {"dual_clip": 3.0}
VERL_GRPO = {"advantage": "verl", "average": "tokens"} | OFF | DUAL


def trl_kl(name):
    return {"kl_coef": 0.04, "kl_estimator": name}


COMPARED = [
    # GRPO with TRL's averages and options
    ("grpo", OFF, trl_grpo, {}, ALL + CUT + SILENT),
    ("grpo", {}, trl_grpo, {"beta": 0.001}, ALL),
    ("grpo", {"average": "tokens", "kl_coef": 0.04}, trl_grpo, {"loss_type": "dapo", "beta": 0.04}, ALL + SILENT),
    ("grpo", {"average": "bnpo", "micro_batch": 5} | OFF, trl_grpo, {"loss_type": "bnpo", "micro_batch": 5}, ALL),
    ("grpo", {"average": "dr_grpo", "length_scale": 20, "advantage": "mean_only"} | OFF, trl_grpo,
     {"loss_type": "dr_grpo", "max_completion_length": 20, "scale_rewards": "none"}, ALL + CUT + SILENT),
    ("grpo", {"advantage": "trl_batch"} | OFF, trl_grpo, {"scale_rewards": "batch"}, ALL),
    ("grpo", {"clip_ratio_high": 0.28, "ratio_cap": 4.0} | OFF, trl_grpo, {"epsilon_high": 0.28, "delta": 4.0}, ALL),
    ("grpo", {"kl_coef": 0.04, "kl_ratio": True}, trl_grpo, {"beta": 0.04, "use_bias_correction_kl": True}, ["ragged", "tools"]),
    ("grpo", {"entropy_coef": 0.01} | OFF, trl_grpo, {"_entropy_bonus_enabled": True, "entropy_coef": 0.01}, ALL),
    ("grpo", {"off_policy_threshold": 0.1} | OFF, trl_grpo, {"off_policy_mask_threshold": 0.1}, ALL),
] + [
    ("grpo", {"mask_truncated": True, "average": ours, "length_scale": 20, "kl_coef": 0.1, "entropy_coef": 0.01}, trl_grpo,
     {"mask_truncated": True, "loss_type": theirs, "max_completion_length": 20, "beta": 0.1, "_entropy_bonus_enabled": True, "entropy_coef": 0.01}, CUT)
    for ours, theirs in (("paper", "grpo"), ("tokens", "dapo"), ("dr_grpo", "dr_grpo"))
] + [
    ("grpo", {"importance": mode, "importance_low": low, "importance_high": high, "kl_coef": 0.04}, trl_grpo,
     {"importance": (mode, low, high), "beta": 0.04}, ALL)
    for mode, low, high in (("token_truncate", 0.0, 1.2), ("token_mask", 0.5, 1.5), ("sequence_truncate", 0.0, 1.2), ("sequence_mask", 0.0, 3.0))
] + [
    # GRPO with verl's
    ("grpo", VERL_GRPO, run_verl, {"estimator": "grpo"}, ALL + CUT + SILENT),
    ("grpo", VERL_GRPO | {"advantage": "verl_mean_only"}, run_verl, {"estimator": "grpo", "norm": False}, ALL),
    ("grpo", VERL_GRPO | {"clip_ratio_high": 0.28, "dual_clip": 10.0}, run_verl, {"estimator": "grpo", "clip_ratio_high": 0.28, "clip_ratio_c": 10.0}, ALL),
    ("grpo", VERL_GRPO | {"average": "sequence_mean"}, run_verl, {"estimator": "grpo", "agg": "seq-mean-token-mean"}, ALL + SILENT),
    ("grpo", VERL_GRPO | {"average": "sequence_sum"}, run_verl, {"estimator": "grpo", "agg": "seq-mean-token-sum"}, ALL + SILENT),
    ("grpo", VERL_GRPO | {"average": "sequence_sum_norm", "length_scale": 20}, run_verl,
     {"estimator": "grpo", "agg": "seq-mean-token-sum-norm", "loss_scale_factor": 20}, ALL + SILENT),
    ("grpo", VERL_GRPO | {"average": "sequence_sum_norm"}, run_verl, {"estimator": "grpo", "agg": "seq-mean-token-sum-norm"}, ["ragged"]),
    ("grpo", VERL_GRPO | {"average": "sequence_mean", "entropy_coef": 0.01, "entropy_average": "same"}, run_verl,
     {"estimator": "grpo", "agg": "seq-mean-token-mean", "entropy": 0.01}, ALL),
    ("grpo", VERL_GRPO | {"advantage": "opo"}, run_verl, {"estimator": "opo"}, ALL),
    ("grpo", VERL_GRPO | {"advantage": "gpg"}, run_verl, {"estimator": "gpg"}, ALL),
    ("grpo", VERL_GRPO | {"advantage": "pass_k"}, run_verl, {"estimator": "grpo_passk"}, ["ragged", "tools"]),
    ("grpo", VERL_GRPO | {"kl_coef": 0.1, "kl_in": "reward", "kl_estimator": "k1"}, run_verl, {"estimator": "grpo", "kl_reward": (0.1, "kl")}, ALL + ["token_rewards"]),
    ("grpo", VERL_GRPO | {"kl_coef": 0.1, "kl_in": "reward", "kl_limit": 10}, run_verl, {"estimator": "grpo", "kl_reward": (0.1, "low_var_kl")}, ALL),
] + [
    ("grpo", VERL_GRPO | {"kl_coef": 0.1, "kl_estimator": ours, "kl_limit": limit}, run_verl, {"estimator": "grpo", "kl_loss": (0.1, theirs)}, ALL)
    for ours, theirs, limit in (("k1", "k1", 0), ("k2", "k2", 0), ("k3", "low_var_kl", 10), ("abs", "abs", 0), ("k1+", "k1+", 0), ("k3+", "k3+", 10))
] + [
    ("grpo", VERL_GRPO | {"importance": ours, "importance_low": low, "importance_high": high, "importance_normalize": normalize}, run_verl,
     {"estimator": "grpo", "importance": (level, f"{low}_{high}" if ours == "token_mask" else high, normalize)}, ALL)
    for ours, level, low, high, normalize in (("token_truncate", "token", 0.0, 2.0, False), ("sequence_truncate", "sequence", 0.0, 2.0, False),
                                              ("token_truncate", "token", 0.0, 2.0, True), ("sequence_truncate", "sequence", 0.0, 2.0, True),
                                              ("token_mask", "token", 0.5, 2.0, False))
] + [
    # The others
    ("dr_grpo", {"length_scale": 20}, trl_grpo, {"loss_type": "dr_grpo", "max_completion_length": 20, "scale_rewards": "none"}, ALL + CUT),
    ("dapo", {}, trl_grpo, {"loss_type": "dapo", "epsilon_high": 0.28}, ALL + CUT),
    ("dapo", {"advantage": "verl", "dual_clip": 10.0}, run_verl, {"estimator": "grpo", "clip_ratio_high": 0.28, "clip_ratio_c": 10.0}, ALL),
    ("gspo", {}, trl_grpo, {"importance_sampling_level": "sequence", "epsilon_low": 3e-4, "epsilon_high": 4e-4}, ALL),
    ("gspo", {"clip_ratio": 0.2, "clip_ratio_high": 0.2, "average": "tokens", "kl_coef": 0.04}, trl_grpo,
     {"importance_sampling_level": "sequence", "loss_type": "dapo", "beta": 0.04}, ALL),
    ("gspo", {"advantage": "verl", "average": "sequence_mean", "largest_log_ratio": 10}, run_verl,
     {"estimator": "grpo", "loss": "gspo", "agg": "seq-mean-token-mean", "clip_ratio_low": 3e-4, "clip_ratio_high": 4e-4}, ALL + SILENT),
    ("cispo", {}, trl_grpo, {"loss_type": "cispo", "epsilon_high": 5.0}, ALL),
    ("cispo", {"convention": "verl", "advantage": "verl"}, run_verl, {"estimator": "grpo", "loss": "cispo"}, ALL),
    ("sapo", {}, trl_grpo, {"loss_type": "sapo"}, ALL),
    ("sapo", {"advantage": "verl", "average": "sequence_mean"}, run_verl, {"estimator": "grpo", "loss": "sapo", "agg": "seq-mean-token-mean"}, ALL),
    ("gspo", {"average": "luspo"}, trl_grpo,
     {"importance_sampling_level": "sequence", "loss_type": "luspo", "epsilon_low": 3e-4, "epsilon_high": 4e-4}, ALL + SILENT),
    ("gspo", {"average": "luspo", "kl_coef": 0.04}, trl_grpo,
     {"importance_sampling_level": "sequence", "loss_type": "luspo", "epsilon_low": 3e-4, "epsilon_high": 4e-4, "beta": 0.04}, ["ragged", "tools"]),
    ("grpo", {"advantage": "normalize_then_sum"} | OFF, trl_grpo, {"components": [1.0, 0.3]}, ALL),
    ("grpo", {"top_entropy": 0.2, "entropy_coef": 0.01} | OFF, trl_grpo,
     {"top_entropy_quantile": 0.2, "_entropy_bonus_enabled": True, "entropy_coef": 0.01}, ALL),
    ("grpo", {"top_entropy": 0.5, "average": "tokens", "kl_coef": 0.04}, trl_grpo, {"top_entropy_quantile": 0.5, "loss_type": "dapo", "beta": 0.04}, ALL),
    ("grpo", VERL_GRPO | {"advantage": "gdpo", "whiten_advantages": True}, run_verl, {"estimator": "gdpo", "components": [1.0, 0.3]}, ALL),
    ("vespo", {}, trl_grpo, {"loss_type": "vespo"}, ALL + SILENT),
    ("vespo", {"importance": "token_truncate", "importance_high": 1.2, "kl_coef": 0.04}, trl_grpo,
     {"loss_type": "vespo", "importance": ("token_truncate", 0.0, 1.2), "beta": 0.04}, ALL),
    ("vespo", {"k_pos": 1.0, "lambda_neg": 4.0}, trl_grpo, {"loss_type": "vespo", "vespo_k_pos": 1.0, "vespo_lambda_neg": 4.0}, ALL),
    ("gmpo", {"advantage": "verl"}, run_verl, {"estimator": "grpo", "loss": "geo_mean", "clip_ratio_low": 0.4, "clip_ratio_high": 0.4}, ALL),
    ("gmpo", {"advantage": "verl", "log_clip": 0.2, "log_clip_high": 0.28}, run_verl, {"estimator": "grpo", "loss": "geo_mean", "clip_ratio_high": 0.28}, ALL),
    ("dppo", {"advantage": "verl"}, run_verl, {"estimator": "grpo", "loss": "dppo_tv", "clip_ratio_c": 20.0}, ALL),
    ("dppo", {"advantage": "verl", "divergence": "kl", "low": 0.05, "high": 0.1, "ratio_max": 3.0}, run_verl,
     {"estimator": "grpo", "loss": "dppo_kl", "clip_ratio_low": 0.05, "clip_ratio_high": 0.1, "clip_ratio_c": 3.0}, ALL),
    ("clip_cov", {"advantage": "verl", "share": 1.0, "cov_low": 0.2, "cov_high": 2.0}, run_verl,
     {"estimator": "grpo", "loss": "clip_cov", "policy_loss": {"clip_cov_ratio": 1.0, "clip_cov_lb": 0.2, "clip_cov_ub": 2.0}}, ALL),
    ("clip_cov", {"advantage": "verl", "cov_low": 1e8, "cov_high": 1e9}, run_verl,
     {"estimator": "grpo", "loss": "clip_cov", "policy_loss": {"clip_cov_lb": 1e8, "clip_cov_ub": 1e9}}, ["ragged", "tools"]),
    ("kl_cov", {"advantage": "verl", "share": 0.2, "cov_coef": 0.1}, run_verl,
     {"estimator": "grpo", "loss": "kl_cov", "policy_loss": {"kl_cov_ratio": 0.2, "ppo_kl_coef": 0.1}}, ALL),
    ("kl_cov", {"advantage": "verl"}, run_verl, {"estimator": "grpo", "loss": "kl_cov"}, ["ragged", "tools"]),
    ("distill", DUAL, run_verl, {"estimator": "reverse_kl"}, ALL + SILENT),
    ("remax", DUAL, run_verl, {"estimator": "remax"}, ALL + ["token_rewards"]),
    ("remax", {"kl_coef": 0.05} | DUAL, run_verl, {"estimator": "remax", "kl_reward": (0.05, "kl")}, ALL),
] + [
    ("grpo", VERL_GRPO | {"rejection": ours, "average": average} | bounds, run_verl, {"estimator": "grpo", "agg": agg, "rejection": (theirs, threshold)}, MANY)
    for ours, theirs, bounds, threshold, average, agg in (
        ("token_k1", "token_k1", {}, "0.5_2.0", "tokens", "token-mean"),
        ("token_k2", "token_k2", {"rejection_high": 0.05}, "0.05", "sequence_mean", "seq-mean-token-mean"),
        ("token_k3", "token_k3", {"rejection_high": 0.05}, "0.05", "sequence_sum", "seq-mean-token-sum"),
        ("sequence_sum_k1", "seq_sum_k1", {}, "0.5_2.0", "tokens", "token-mean"),
        ("sequence_mean_k1", "seq_mean_k1", {"rejection_low": 0.9, "rejection_high": 1.3}, "0.9_1.3", "sequence_mean", "seq-mean-token-mean"),
        ("sequence_mean_k3", "seq_mean_k3", {"rejection_high": 0.1}, "0.1", "tokens", "token-mean"),
        ("sequence_sum_k2", "seq_sum_k2", {"rejection_high": 0.3}, "0.3", "tokens", "token-mean"),
        ("sequence_max_k2", "seq_max_k2", {"rejection_high": 0.2}, "0.2", "tokens", "token-mean"),
        ("sequence_max_k3", "seq_max_k3", {"rejection_high": 0.2}, "0.2", "tokens", "token-mean"))
] + [
    ("rloo", {}, trl_rloo, {}, ["ragged", "equal_rewards", "groups_of_one", "tools"]),
    ("rloo", {"normalize": True, "reward_clip": 0.6, "kl_coef": 0}, trl_rloo,
     {"beta": 0.0, "normalize_advantages": True, "reward_clip_range": (-0.6, 0.6)}, ["ragged", "equal_rewards", "groups_of_one", "tools"]),
    ("rloo", {"ratio": "token", "average": "tokens", "alone": "reward"} | OFF | DUAL, run_verl, {"estimator": "rloo"}, ALL),
    ("rloo", {"ratio": "token", "average": "tokens"} | OFF | DUAL, run_verl, {"estimator": "rloo_vectorized"}, ALL),
    ("reinforce_pp", DUAL, run_verl, {"estimator": "reinforce_plus_plus", "kl_reward": (0.001, "kl")}, ALL + ["token_rewards"]),
    ("reinforce_pp", {"discount": 0.9, "kl_coef": 0.05} | DUAL, run_verl,
     {"estimator": "reinforce_plus_plus", "kl_reward": (0.05, "kl"), "discount": 0.9}, ["tools", "token_rewards"]),
    ("reinforce_pp_baseline", DUAL, run_verl, {"estimator": "reinforce_plus_plus_baseline", "kl_loss": (0.001, "k2")}, ALL + SILENT),
    ("ppo", DUAL, run_verl, {"estimator": "gae", "kl_reward": (0.001, "kl"), "value_clip": 0.2}, ALL + SILENT + ["token_rewards"]),
    ("ppo", {"discount": 0.95, "gae_lambda": 0.9, "value_clip": 0.5, "kl_coef": 0} | DUAL, run_verl,
     {"estimator": "gae", "discount": 0.95, "gae_lambda": 0.9, "value_clip": 0.5}, ALL + ["token_rewards"]),
]


def kl_controller():
    controller = core_algos.AdaptiveKLController(init_kl_coef=0.2, target_kl=0.1, horizon=100)
    steps = []
    for kl in (0.05, 0.1, 0.11, 0.3, 2.0, -0.4, 0.0):
        controller.update(kl, 8)
        steps.append({"kl": kl, "kl_coef": float(controller.value)})
    return {"kl_coef": 0.2, "kl_target": 0.1, "kl_horizon": 100, "completions": 8, "steps": steps}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    expected = collections.defaultdict(list)
    for name, settings, peer, call, cases in COMPARED:
        for case in cases:
            results = peer(CASES[case], **call)
            expected[case].append({"name": name, "settings": settings, "peer": f"{peer.__name__} {json.dumps(call)}"} | short(results))
    for case, batch in CASES.items():
        text = json.dumps({"made_with": f"trl {trl.__version__}, verl {verl.__version__}, tests/oracles/policy_gradient.py", "input": batch,
                           "expected": expected[case]})
        (FOLDER / f"{case}.json").write_text(text + "\n")
        print(case, len(expected[case]), len(text))
    (FOLDER / "kl_controller.json").write_text(json.dumps(kl_controller()) + "\n")


main()
