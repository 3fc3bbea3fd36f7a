"""Models that Cogent saved, opened by transformers: the same logits.

    benchmarks/peers/setup.sh --oracles
    benchmarks/peers/.venv-oracles/bin/python tests/oracles/saved_models.py build/release/cogent CHECKPOINT-or-GGUF ...

Each is converted (`cogent model convert`) and run here and there on the same ids. The tokenizer is opened as the file that it
is: AutoTokenizer puts Qwen2's own splitter in the place of another one where config.json says qwen2.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

LIMIT = 3e-4


def check(cogent, source):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        saved = folder / "model"
        subprocess.run([cogent, "model", "convert", source, str(saved)], check=True, stdout=subprocess.DEVNULL)
        model = AutoModelForCausalLM.from_pretrained(saved, dtype=torch.float32).eval()
        generator = torch.Generator().manual_seed(1)
        ids = torch.randint(0, model.config.vocab_size, (24,), generator=generator).tolist()
        (folder / "ids.json").write_text(json.dumps({"sequences": [ids]}))
        subprocess.run([cogent, "model", "forward", "-m", str(saved), "-i", str(folder / "ids.json"), "-o", str(folder / "out.safetensors")], check=True)
        ours = load_file(folder / "out.safetensors")["seq0.logits"]
        with torch.no_grad():
            theirs = model(torch.tensor([ids])).logits[0]
        difference = (ours - theirs).abs().max().item()
        text = "What is 2 + 3? \u00e9\u4e2d\u6587 <think>"
        theirs_ids = PreTrainedTokenizerFast(tokenizer_file=str(saved / "tokenizer.json"))(text, add_special_tokens=False)["input_ids"]
        line = subprocess.run([cogent, "tokenizer", "encode", "-t", str(saved)], input=json.dumps({"text": text}), capture_output=True, text=True, check=True).stdout
        same_ids = json.loads(line)["ids"] == theirs_ids
        print("%-60s logits differ by %.1e, ids %s" % (source, difference, "equal" if same_ids else "DIFFER"))
        return difference < LIMIT and same_ids


def main():
    cogent, sources = sys.argv[1], sys.argv[2:]
    sys.exit(0 if all([check(cogent, source) for source in sources]) else 1)


main()
