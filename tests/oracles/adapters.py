"""Adapters that Cogent trained, opened by PEFT: the same logits, by themselves and after PEFT's own merge. And the way back:
an adapter that PEFT made and saved, read by Cogent.

    benchmarks/peers/setup.sh --oracles
    benchmarks/peers/.venv-oracles/bin/python tests/oracles/adapters.py build/release/cogent runs/NAME/checkpoints/latest ...
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

LIMIT = 3e-5  # of the largest logit


def ours(cogent, adapter, ids, folder):
    (folder / "ids.json").write_text(json.dumps({"sequences": [ids]}))
    subprocess.run([cogent, "model", "forward", "-m", str(adapter), "-i", str(folder / "ids.json"), "-o", str(folder / "out.safetensors")], check=True)
    return load_file(folder / "out.safetensors")["seq0.logits"]


def logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


def distance(a, b):
    return (a - b).abs().max().item()


def check(cogent, adapter):
    config = json.loads((pathlib.Path(adapter) / "adapter_config.json").read_text())
    base = AutoModelForCausalLM.from_pretrained(config["base_model_name_or_path"], dtype=torch.float32).eval()
    ids = torch.randint(0, base.config.vocab_size, (24,), generator=torch.Generator().manual_seed(1)).tolist()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        before = logits(base, ids)
        mine = ours(cogent, adapter, ids, folder)
        model = PeftModel.from_pretrained(base, adapter).eval()
        apart = distance(mine, logits(model, ids))
        merged = distance(mine, logits(model.merge_and_unload(), ids))
        # The way back: PEFT's own adapter on the same base, its B filled in.
        base = AutoModelForCausalLM.from_pretrained(config["base_model_name_or_path"], dtype=torch.float32)
        theirs = get_peft_model(base, LoraConfig(r=5, lora_alpha=7, use_rslora=True, target_modules=config["target_modules"])).eval()
        torch.manual_seed(2)
        for name, value in theirs.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(value, std=0.05)
        theirs.save_pretrained(folder / "theirs")
        back = distance(ours(cogent, folder / "theirs", ids, folder), logits(theirs, ids))
    print("%s (%s): logits differ from PEFT's by %.1e, merged by PEFT %.1e; PEFT's adapter read here %.1e; the adapter moves logits by %.1e"
          % (adapter, base.config.model_type, apart, merged, back, distance(mine, before)))
    return max(apart, merged, back) < LIMIT * before.abs().max().item()


def main():
    cogent, adapters = sys.argv[1], sys.argv[2:]
    sys.exit(0 if all([check(cogent, adapter) for adapter in adapters]) else 1)


main()
