"""Writes tests/data/tokenizers/trained/: what the `tokenizers` package makes of tokenizers trained by us.

Needs: pip install tokenizers. Run from the repository root, in this order:
  1. python tests/oracles/make_tokenizer_cases.py corpus            corpus.txt, what both sides train on
  2. COGENT_UPDATE_GOLDEN=1 policies_files_tests --gtest_filter='*TrainsTheStoredFilesAgain'
                                                                   NAME.json, trained by Cogent
  3. python tests/oracles/make_tokenizer_cases.py cases            NAME.cases.json, by the package
Step 3 opens our files with the package, and for those with merges trains the package's own
tokenizer on the same corpus: its merges must equal ours, else it stops.
"""

import json
import pathlib
import random
import sys

from tokenizers import Tokenizer, __version__, models, pre_tokenizers, trainers

FOLDER = pathlib.Path("tests/data/tokenizers/trained")
ADDED = ["<|end|>", "<|pad|>", "<think>", "</think>", "<answer>", "</answer>"]
SPECIAL = {"<|end|>", "<|pad|>"}
# name: (vocab_size, split_digits); vocab_size 0: no training to compare with
NAMES = {"digits": (420, True), "words": (700, False), "bytes": (0, True), "alphabet": (0, True)}


def corpus():
    rng = random.Random(7)
    words = ("so we have the sum of both then multiply first carry over check that it is right wait no because "
             "let me think again user assistant question answer therefore naïve café straße 数学 は 正しい привет мир").split()
    lines = []
    for _ in range(400):
        a, b = rng.randint(0, 999), rng.randint(0, 99)
        op = rng.choice("+-*")
        lines.append(f"{a} {op} {b} = {eval(f'{a}{op}{b}')}; " + " ".join(rng.choices(words, k=rng.randint(3, 9))) + ".")
    lines += ["aaaaaaaa aaaa aaa", "banana bananas ananas", "  indented\ttext   with  runs", "it's we'll they've I'd you're"] * 3
    (FOLDER / "corpus.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def texts():
    fixed = [
        "", " ", "  ", "\n", "\r\n\r\n", "\t \t", "a", " a", "  a", "a  ", "a \n b", "it's IT'S ' s 'll'll '", "2+3*4=14",
        "007 1234567890 3.14e-10 ½ ² Ⅷ ٣٤ १२ 四", "<think>2+3=5</think><answer>5</answer><|end|>", "<think><think>",
        "<|end|><|pad|><|pad|>", "< think > <think <thin <|end| |> <<think>>", " <think> \n<answer> x </answer>", "<THINK>",
        "naïve café straße ŒUVRE ﬁ ſ 'ſ", "数学は正しい。本当に？", "привет, мир!", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "สวัสดี",
        "e\u0301 \u0301 \u200d \u200b\ufeff", "👩‍👩‍👧‍👦 🇩🇪 👍🏽", "\u00a0\u1680\u2003\u2028\u3000x\u0085y\u180e", "\x00\x01\x1b\x1c\x1d\x1e\x1f\x7f\x80\x9f",
        "\ufffd\ufffe\uffff\U0010ffff\ue000", "𝒳𝔘𝟘𝟙 𐍈 \U0001f9ee", "ĠĊ Ġa ÉĀ āĂ", "a" * 3000, "ab" * 1500, " " * 2000, " " * 2000 + "x",
        "1" * 1000, "\n" * 777 + "a", "'" * 500, "é" * 1000, "banana" * 300, "aaaaaaaa aaaa aaa banana bananas",
        "def f(x):\n\treturn x ** 2  # square\n", r"\frac{1}{2} \cdot \boxed{42}", "http://example.org/?q=1&r=%20#frag",
    ]
    rng = random.Random(11)
    pool = (" \n\t'<>|/\\+-*=()0123456789abcdestTHINK.,;:!?" + "éßŒ数学привет½²٣é\u0301\u200d👍𝟘\u00a0\u3000\u0085\x1c\x00") + " 0123abc"
    bits = list(pool) + ADDED + ["'s", "'ll", "the", " sum", "  ", "\r\n"]
    return fixed + ["".join(rng.choices(bits, k=rng.randint(1, 40))) for _ in range(200)]


def own_merges(name):
    size, split = NAMES[name]
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte_level]) if split else byte_level
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, special_tokens=ADDED, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    lines = (FOLDER / "corpus.txt").read_text(encoding="utf-8").split("\n")[:-1]
    tokenizer.train_from_iterator(lines, trainer)
    return json.loads(tokenizer.to_str())["model"]


def cases():
    for name, (size, _) in NAMES.items():
        path = FOLDER / f"{name}.json"
        ours = json.loads(path.read_text(encoding="utf-8"))["model"]
        if size:
            theirs = own_merges(name)
            if theirs["merges"] != ours["merges"] or theirs["vocab"] != ours["vocab"]:
                sys.exit(f"{name}: the package learns other merges than we do")
        tokenizer = Tokenizer.from_file(str(path))
        rng = random.Random(13)
        ids = [[rng.randrange(tokenizer.get_vocab_size()) for _ in range(rng.randint(1, 12))] for _ in range(100)]
        out = {
            "made_by": f"tests/oracles/make_tokenizer_cases.py, tokenizers {__version__}",
            "encode": [{"text": t, "ids": tokenizer.encode(t, add_special_tokens=False).ids} for t in texts()],
            "decode": [{"ids": i, "text": tokenizer.decode(i, skip_special_tokens=False),
                        "without_special": tokenizer.decode(i, skip_special_tokens=True)} for i in ids],
        }
        (FOLDER / f"{name}.cases.json").write_text(json.dumps(out, separators=(",", ":")) + "\n", encoding="utf-8")
        print(name, tokenizer.get_vocab_size(), "ids,", len(out["encode"]), "texts")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    {"corpus": corpus, "cases": cases}[sys.argv[1]]()
