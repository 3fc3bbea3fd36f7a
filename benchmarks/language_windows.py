"""How often a few words in a row, cut out of a sentence, are all judged to be in its language.

    python3 benchmarks/language_windows.py build/release/cogent

The sentences are those of tests/oracles/make_language_cases.py and of tests/data/language_cases.jsonl in the
five languages of Latin script; every run of N words is asked about alone.
"""

import importlib.util
import json
import re
import subprocess
import sys

LANGUAGES = ("en", "es", "fr", "pt", "de")


def sentences():
    spec = importlib.util.spec_from_file_location("cases", "tests/oracles/make_language_cases.py")
    cases = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cases)
    found = {(language, text) for language, text in cases.PARTS.values() if language in LANGUAGES}
    for row in map(json.loads, open("tests/data/language_cases.jsonl")):
        if row["note"] == "one language" and row["target"] in LANGUAGES:
            text = re.sub(r"```.*?```|`.*?`|\$.*?\$|\\\[.*?\\\]|\\\(.*?\\\)", "", row["text"], flags=re.S)
            found |= {(row["target"], part) for part in re.split(r"[.\n]", text) if len(part.split()) > 4}
    return sorted(found)


def main():
    for size in (1, 2, 3, 4, 6):
        rows = []
        for language, text in sentences():
            words = [word.strip(".,?!") for word in text.split()]
            rows += [{"id": language, "text": " ".join(words[i : i + size]), "target": language} for i in range(len(words) - size + 1)]
        answer = subprocess.run([sys.argv[1], "verify", "language"], input="\n".join(map(json.dumps, rows)), capture_output=True, text=True, check=True)
        right = {language: [] for language in LANGUAGES}
        for row in map(json.loads, answer.stdout.splitlines()):
            right[row["id"]].append(row["fraction"] == 1)
        total = sum(right.values(), [])
        print(f"{size} words: {sum(total) / len(total):.3f} of {len(total)}",
              *(f"{language} {sum(all_) / len(all_):.2f}" for language, all_ in right.items()))


main()
