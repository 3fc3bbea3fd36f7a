"""Writes tests/data/soft_rewards.json: scores of TRL's own rewards on drawn completions.

Needs: pip install trl==1.16.0 packaging (torch is not needed for these). Run from the repository root:
python3 tests/oracles/make_soft_rewards.py

- overlong: `get_soft_overlong_punishment`, repetition: `get_repetition_penalty_reward`, cosine:
  `get_cosine_scaled_reward`, all unchanged. TRL's cosine asks its own `accuracy_reward` first; that one is
  replaced by the verdict of the case, so that no mathematics is in the numbers.
- Repetition: TRL counts token ids, ours words; each word of a case is given to TRL as one id.
- tag_count (open-r1, not on PyPI) and length (Kimi k1.5, no code published) have no peer here; their tests are
  worked by hand.
"""

import json
import pathlib
import random

import trl.rewards.accuracy_rewards as accuracy_rewards
from trl.rewards import get_repetition_penalty_reward, get_soft_overlong_punishment

draws = random.Random(5)
cases = {"overlong": [], "cosine": [], "repetition": []}

for _ in range(40):
    longest = draws.randint(1, 300)
    cache = draws.randint(0, longest)
    tokens = draws.choice([0, longest - cache, longest - cache + 1, longest, longest + 1, draws.randint(0, 400)])
    score = get_soft_overlong_punishment(longest, cache)([[1] * tokens])[0]
    cases["overlong"].append({"max_tokens": longest, "cache_tokens": cache, "tokens": tokens, "score": score})

for index in range(40):
    values = [-1.0, -0.5, 0.5, 1.0] if index < 20 else sorted(draws.uniform(-2, 2) for _ in range(4))
    longest, right = draws.randint(1, 300), draws.random() < 0.5
    tokens = draws.choice([0, longest, draws.randint(0, 400)])
    accuracy_rewards.accuracy_reward = lambda completions, solution: [float(right)]
    reward = accuracy_rewards.get_cosine_scaled_reward(longest, *values)
    score = reward([[{"content": ""}]], [""], [[1] * tokens])[0]
    cases["cosine"].append({"max_tokens": longest, "tokens": tokens, "right": right, "wrong_short": values[0],
                            "wrong_long": values[1], "right_long": values[2], "right_short": values[3], "score": score})

for _ in range(40):
    words = [draws.choice(["so", "the", "sum", "is", "12", "wait,", "x"][: draws.randint(1, 7)]) for _ in range(draws.randint(0, 40))]
    ngram = draws.randint(1, 5)
    ids = [hash(word) for word in words]
    score = get_repetition_penalty_reward(ngram, -1.0)([ids])[0]
    cases["repetition"].append({"text": " ".join(words), "ngram": ngram, "score": score})

pathlib.Path("tests/data/soft_rewards.json").write_text(json.dumps(cases, indent=0) + "\n")
print({name: len(rows) for name, rows in cases.items()})
