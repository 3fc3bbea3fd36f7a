"""Writes tests/data/supervised/*.json: loss and gradient of SFT, DPO, KTO, reward models and GKD by TRL.

Needs: pip install trl==1.16.0 torch. Run from the repository root: python tests/oracles/supervised_trl.py

What is run, plainly: TRL 1.16.0's own `SFTTrainer.compute_loss`, `DPOTrainer._compute_loss`, `KTOTrainer._compute_loss`, `RewardTrainer.compute_loss` and
`GKDTrainer.generalized_jsd_loss`, the published methods, unchanged. Each is called on a stand-in for the trainer that has the settings the method reads, and a stand-in for the
model that hands over the case's log-probabilities as leaves, so that no model is needed. autograd gives the gradient with
respect to the log-probabilities of the completions' tokens. Everything in float64.
"""

import collections
import json
import pathlib
import random
import types

import torch
import trl
from trl.experimental.gkd.gkd_trainer import GKDTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.reward_trainer import RewardTrainer
from trl.trainer.sft_trainer import SFTTrainer

FOLDER = pathlib.Path("tests/data/supervised")


class Accelerator:
    num_processes = 1
    device = "cpu"

    def gather(self, x):
        return x

    gather_for_metrics = gather

    def unwrap_model(self, model):
        return model


def single(x):  # as float32 holds it
    return torch.tensor(x, dtype=torch.float32).item()


class Rows:
    """Sequences as padded rows: a prompt of its own length, then the completion; padding holds a number that would show."""

    def __init__(self, lengths, prompts):
        self.lengths, self.prompts = lengths, prompts
        self.width = max(p + n for p, n in zip(prompts, lengths))
        self.mask = torch.tensor([[int(p <= t < p + n) for t in range(self.width)] for p, n in zip(prompts, lengths)])

    def fill(self, flat):
        # place t - 1 of the log-probabilities belongs to token t; TRL has zeros where nothing is learned
        rows, at = torch.zeros((len(self.lengths), self.width - 1), dtype=torch.float64), 0
        for i, (p, n) in enumerate(zip(self.prompts, self.lengths)):
            rows[i, p - 1:p - 1 + n] = torch.tensor(flat[at:at + n], dtype=torch.float64)
            at += n
        return rows

    def flat(self, rows):
        return [rows[i, p - 1 + t].item() for i, (p, n) in enumerate(zip(self.prompts, self.lengths)) for t in range(n)]


class Model(torch.nn.Module):
    is_gradient_checkpointing = False

    def __init__(self, logprobs, mask):
        super().__init__()
        self.logprobs, self.mask = logprobs, mask
        self.eval()

    def forward(self, **inputs):
        zeros = torch.zeros_like(self.logprobs)
        return types.SimpleNamespace(log_probs=self.logprobs, label_mask=self.mask[:, 1:].bool(), entropy=zeros, is_top1=zeros.bool(),
                                     mean_logits=zeros, log_sum_sq_probs=zeros)


def metrics():
    return {"train": collections.defaultdict(list), "eval": collections.defaultdict(list)}


def sft(settings, case):
    rows = Rows(case["lengths"], case["prompts"])
    logprobs = rows.fill(case["logprobs"]).requires_grad_()
    trainer = types.SimpleNamespace(
        model=types.SimpleNamespace(training=False), aux_loss_enabled=False, compute_loss_func=None, label_smoother=None,
        accelerator=types.SimpleNamespace(parallelism_config=None, num_processes=1, gather_for_metrics=lambda x: x),
        args=types.SimpleNamespace(loss_type=settings["loss"], average_tokens_across_devices=True), _metrics=metrics(), _total_train_tokens=0,
        get_tp_size=lambda: 1)
    loss = SFTTrainer.compute_loss(trainer, Model(logprobs, rows.mask), {"labels": None}, num_items_in_batch=torch.tensor(sum(case["lengths"])))
    loss.backward()
    return loss.item(), rows.flat(logprobs.grad), {}


def dpo(settings, case):
    # cases hold chosen, rejected, chosen, rejected, ...; TRL takes all chosen, then all rejected
    order = list(range(0, len(case["lengths"]), 2)) + list(range(1, len(case["lengths"]), 2))
    starts = [sum(case["lengths"][:i]) for i in range(len(case["lengths"]))]

    def sorted_flat(flat):
        return [x for i in order for x in flat[starts[i]:starts[i] + case["lengths"][i]]]

    rows = Rows([case["lengths"][i] for i in order], [case["prompts"][i] for i in order])
    logprobs = rows.fill(sorted_flat(case["logprobs"])).requires_grad_()
    reference = rows.fill(sorted_flat(case["ref_logprobs"]))
    model, ref = Model(logprobs, rows.mask), Model(reference, rows.mask)
    trainer = types.SimpleNamespace(
        model=model, ref_model=ref, aux_loss_enabled=False, ld_alpha=None, precompute_ref_logps=False,
        args=types.SimpleNamespace(gradient_checkpointing=False, gradient_checkpointing_kwargs=None), accelerator=Accelerator(),
        f_divergence_type="reverse_kl", loss_types=[settings["loss"]], loss_weights=[1.0], beta=settings["beta"],
        label_smoothing=settings["label_smoothing"], use_weighting=False, _metrics=metrics(), _total_train_tokens=0, _tp_size=1)
    inputs = {"input_ids": torch.zeros_like(rows.mask), "attention_mask": torch.ones_like(rows.mask), "completion_mask": rows.mask}
    loss = DPOTrainer._compute_loss(trainer, model, inputs, False)
    loss.backward()
    ours, at = [None] * len(case["lengths"]), 0
    flat = rows.flat(logprobs.grad)
    for i in order:
        ours[i] = flat[at:at + case["lengths"][i]]
        at += case["lengths"][i]
    names = ["rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected"]
    return loss.item(), [g for gradient in ours for g in gradient], {n: trainer._metrics["eval"][n][-1] for n in names}


def reward_model(settings, case):
    # cases hold chosen, rejected, chosen, rejected, ...; TRL takes all chosen, then all rejected
    values = torch.tensor(case["values"], dtype=torch.float64, requires_grad=True)
    logits = torch.cat([values[0::2], values[1::2]]).unsqueeze(1)
    model = types.SimpleNamespace(training=False)
    trainer = types.SimpleNamespace(model=model, args=types.SimpleNamespace(center_rewards_coefficient=settings["center"] or None),
                                    accelerator=Accelerator(), _metrics=metrics(), _total_train_tokens=0, _tp_size=1)
    inputs = {"margin": torch.tensor(case["margins"], dtype=torch.float64), "attention_mask": torch.ones(1)}
    loss = RewardTrainer.compute_loss(trainer, lambda **kwargs: types.SimpleNamespace(logits=logits), inputs)
    loss.backward()
    logged = trainer._metrics["eval"]
    return loss.item(), values.grad.tolist(), {n: logged[n][-1] for n in ("accuracy", "margin", "mean_reward")}


def gkd(settings, case):
    student = torch.tensor(case["student"], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor(case["teacher"], dtype=torch.float64)
    labels = torch.zeros(student.shape[0], dtype=torch.long)
    loss = GKDTrainer.generalized_jsd_loss(student, teacher, labels, beta=settings["beta"], temperature=settings["temperature"], reduction="batchmean")
    loss.backward()
    return loss.item(), student.grad.flatten().tolist(), {}


def kto(settings, case):
    rows = Rows(case["lengths"], case["prompts"])
    logprobs = rows.fill(case["logprobs"]).requires_grad_()
    model, ref = Model(logprobs, rows.mask), Model(rows.fill(case["ref_logprobs"]), rows.mask)
    drift = torch.tensor(case["drift"], dtype=torch.float64)
    trainer = types.SimpleNamespace(
        model=model, ref_model=ref, aux_loss_enabled=False, precompute_ref_logps=False, calculate_KL=settings["loss"] == "kto",
        args=types.SimpleNamespace(gradient_checkpointing=False, gradient_checkpointing_kwargs=None), accelerator=Accelerator(),
        loss_type=settings["loss"], beta=settings["beta"], desirable_weight=settings["good_weight"], undesirable_weight=settings["bad_weight"],
        _compute_kl_logps=lambda which, batch: drift if which is model else torch.zeros_like(drift), _metrics=metrics(), _total_train_tokens=0, _tp_size=1)
    inputs = {"input_ids": torch.zeros_like(rows.mask), "attention_mask": torch.ones_like(rows.mask), "completion_mask": rows.mask,
              "label": torch.tensor(case["good"])}
    loss = KTOTrainer._compute_loss(trainer, model, inputs, False)
    loss.backward()
    return loss.item(), rows.flat(logprobs.grad), {"kl": trainer._metrics["eval"]["kl"][-1]}


def judged(seed, count, longest, spread):
    rng = random.Random(seed)
    case = draws(seed, count, longest, spread)
    return case | {"good": [bool(i % 3) for i in range(count)], "drift": [single(rng.gauss(0.5, 1.0)) for _ in range(count)]}


def pairs(seed, count, spread):
    rng = random.Random(seed)
    return {"values": [single(rng.gauss(0, spread)) for _ in range(2 * count)], "margins": [single(rng.choice([0, rng.random()])) for _ in range(count)]}


def distributions(seed, rows, vocabulary, spread):
    rng = random.Random(seed)
    table = lambda: [[single(rng.gauss(0, spread)) for _ in range(vocabulary)] for _ in range(rows)]  # noqa: E731
    return {"student": table(), "teacher": table()}


def draws(seed, sequences, longest, spread, shift=0.0):
    rng = random.Random(seed)
    lengths = [rng.randint(1, longest) for _ in range(sequences)]
    logprobs = [single(-rng.expovariate(0.8)) for _ in range(sum(lengths))]
    return {"lengths": lengths, "prompts": [rng.randint(1, 6) for _ in lengths], "logprobs": logprobs,
            "ref_logprobs": [single(x + rng.gauss(shift, spread)) for x in logprobs]}


DPO_SETTINGS = [{"loss": loss, "beta": beta, "label_smoothing": smoothing}
                for loss, smoothing in [("sigmoid", 0.0), ("hinge", 0.0), ("ipo", 0.0), ("sigmoid_norm", 0.0), ("robust", 0.2)]
                for beta in (0.1, 2.0)]
KTO_SETTINGS = [{"loss": loss, "beta": beta, "good_weight": good, "bad_weight": bad}
                for loss in ("kto", "apo_zero_unpaired") for beta, good, bad in ((0.1, 1.0, 1.0), (1.5, 0.7, 1.3))]
RM_SETTINGS = [{"center": 0.0}, {"center": 0.01}]
GKD_SETTINGS = [{"beta": beta, "temperature": t} for beta in (0.0, 0.1, 0.5, 0.9, 1.0) for t in (1.0, 0.7)]
SFT_SETTINGS = [{"loss": "nll"}, {"loss": "dft"}]
CASES = {
    "sft_ragged": ("sft", draws(1, 5, 17, 0.0), SFT_SETTINGS),
    "sft_single_token": ("sft", draws(2, 1, 1, 0.0), SFT_SETTINGS),
    "dpo_ragged": ("dpo", draws(3, 10, 17, 0.4), DPO_SETTINGS),
    "dpo_at_the_reference": ("dpo", draws(4, 6, 9, 0.0), DPO_SETTINGS),
    "dpo_far_away": ("dpo", draws(5, 6, 40, 20.0), DPO_SETTINGS),
    "dpo_single_tokens": ("dpo", draws(6, 4, 1, 1.0), DPO_SETTINGS),
    "reward_model_near": ("reward_model", pairs(7, 8, 0.5), RM_SETTINGS),
    "reward_model_far": ("reward_model", pairs(8, 5, 30.0), RM_SETTINGS),
    "kto_near": ("kto", judged(11, 7, 12, 0.3), KTO_SETTINGS),
    "kto_far": ("kto", judged(12, 5, 20, 3.0), KTO_SETTINGS),
    "gkd_near": ("gkd", distributions(9, 6, 11, 1.0), GKD_SETTINGS),
    "gkd_far": ("gkd", distributions(10, 3, 7, 8.0), GKD_SETTINGS),
}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (objective, case, variants) in CASES.items():
        expected = []
        for settings in variants:
            loss, gradient, logged = {"sft": sft, "dpo": dpo, "reward_model": reward_model, "gkd": gkd, "kto": kto}[objective](settings, case)
            expected.append({"settings": settings, "loss": loss, "gradient": gradient, "metrics": logged})
        text = json.dumps({"made_with": f"trl {trl.__version__}, tests/oracles/supervised_trl.py", "objective": objective, "batch": case,
                           "expected": expected})
        (FOLDER / f"{name}.json").write_text(text + "\n")
        print(name, [round(e["loss"], 6) for e in expected])


main()
