"""What transformers makes of a value head: fixtures, and a look at a checkpoint of ours.

    python tests/oracles/value_head.py                # writes tests/data/value_head
    python tests/oracles/value_head.py CHECKPOINT/critic   # opens it, prints values of a few tokens

Needs torch and transformers 5.23. The model is DeepseekV3ForSequenceClassification with one label. It gives a text the
logit of its last token; the value of each place is therefore asked of each prefix.
"""
import json
import pathlib
import sys

import torch
from transformers import AutoModelForSequenceClassification, DeepseekV3Config, DeepseekV3ForSequenceClassification

ROOT = pathlib.Path(__file__).resolve().parents[1] / "data"


def values(model, ids):
    with torch.no_grad():
        return [model(torch.tensor([ids[: i + 1]])).logits.item() for i in range(len(ids))]


def main():
    if len(sys.argv) > 1:
        model, report = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], dtype=torch.float32, output_loading_info=True)
        print(type(model).__name__, "labels", model.config.num_labels, "missing", sorted(report["missing_keys"]), "unexpected", sorted(report["unexpected_keys"]))
        print(values(model.eval(), [5, 6, 7, 8]))
        return
    torch.manual_seed(3)
    config = DeepseekV3Config(
        vocab_size=37, hidden_size=24, intermediate_size=32, moe_intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2, n_group=1, topk_group=1, first_k_dense_replace=1,
        routed_scaling_factor=1.5, q_lora_rank=10, kv_lora_rank=8, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=5,
        max_position_embeddings=64, initializer_range=0.3, pad_token_id=0, bos_token_id=1, eos_token_id=2, num_labels=1)
    model = DeepseekV3ForSequenceClassification(config).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            buffer.copy_(0.05 * torch.randn_like(buffer))
    out = ROOT / "value_head"
    model.save_pretrained(out)
    sequences = [[5, 9, 30, 11, 2], [7], [4, 4, 8, 36, 22, 17, 6, 19, 3, 12]]
    (out / "expected.json").write_text(json.dumps([{"ids": s, "values": values(model, s)} for s in sequences]) + "\n")


main()
