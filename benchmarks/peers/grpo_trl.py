"""TRL's GRPOTrainer: whole steps of 16 prompts (--prompts) times 8 completions of 64 tokens.

float32, beta 0 (no reference), one update a rollout, no gradient checkpointing, no logging, and a reward
that costs nothing. The end of sequence is forbidden, so that every completion has its 64 tokens.
"""

import tempfile

from common import EOS, FIRST_WORD, NEW_TOKENS, PAD, PROMPT_TOKENS, Clock, arguments, make_model, make_prompts, report
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

GROUP = 8


def make_tokenizer(vocabulary):
    """A word an id, so that a prompt of 32 words has 32 tokens."""
    words = {"<pad>": PAD, "<eos>": EOS} | {f"w{i}": i for i in range(FIRST_WORD, vocabulary)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", padding_side="left")


def reward(completion_ids, **_):
    """The share of even ids."""
    return [sum(1 for i in ids if i % 2 == 0) / len(ids) for ids in completion_ids]


class TimedTrainer(GRPOTrainer):
    """Notes how long the rollout takes, from prompts to advantages."""

    def _generate_and_score_completions(self, inputs):
        clock = Clock()
        out = super()._generate_and_score_completions(inputs)
        self.rollout = clock.read()
        mask = out["completion_mask"]
        batch = self.args.per_device_train_batch_size
        assert mask.shape == (batch, NEW_TOKENS) and bool(mask.all()), mask.shape
        assert out["prompt_ids"].shape == (batch, PROMPT_TOKENS), out["prompt_ids"].shape
        return out


class Watch(TrainerCallback):
    """Times from the end of one step to the end of the next; the first one warms up."""

    def __init__(self):
        self.trainer, self.clock = None, None
        self.phases = {"grpo": [], "grpo/rollout": [], "grpo/train": []}

    def on_step_end(self, args, state, control, **_):
        if self.clock is not None:
            step = self.clock.read()
            rollout = self.trainer.rollout
            self.phases["grpo"].append(step)
            self.phases["grpo/rollout"].append(rollout)
            self.phases["grpo/train"].append({key: step[key] - rollout[key] for key in step})
        self.clock = Clock()


def main():
    parser = arguments(__doc__)
    parser.add_argument("--prompts", type=int, default=16)
    options = parser.parse_args()
    model = make_model(options)
    vocabulary, batch = model.config.vocab_size, options.prompts * GROUP
    steps = options.repeats + 1
    prompts = make_prompts(options.prompts * steps, vocabulary)
    dataset = Dataset.from_list([{"prompt": " ".join(f"w{i}" for i in row)} for row in prompts.tolist()])
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder, use_cpu=True, bf16=False, fp16=False, gradient_checkpointing=False,
            per_device_train_batch_size=batch, gradient_accumulation_steps=1, num_generations=GROUP, num_iterations=1,
            max_completion_length=NEW_TOKENS, temperature=1.0, top_k=0, generation_kwargs={"min_new_tokens": NEW_TOKENS},
            beta=0.0, loss_type="grpo", learning_rate=1e-4, weight_decay=0.0, max_grad_norm=1.0,
            max_steps=steps, report_to="none", logging_strategy="no", save_strategy="no", disable_tqdm=True, seed=0)
        trainer = TimedTrainer(model=model, reward_funcs=reward, args=config, train_dataset=dataset,
                               processing_class=make_tokenizer(vocabulary), callbacks=[watch])
        watch.trainer = trainer
        trainer.train()

    completion_tokens, all_tokens = batch * NEW_TOKENS, batch * (PROMPT_TOKENS + NEW_TOKENS)
    for name, times in watch.phases.items():
        report(name, all_tokens if name == "grpo/train" else completion_tokens, times)


if __name__ == "__main__":
    main()
