"""Writes tests/data/safetensors/python.safetensors with the `safetensors` package; with an argument,
prints a file of ours as the package reads it.

Needs: pip install safetensors numpy. Run from the repository root.
"""

import pathlib
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

if len(sys.argv) > 1:
    with safe_open(sys.argv[1], "np") as file:
        print(file.metadata())
    print(load_file(sys.argv[1]))
else:
    path = pathlib.Path("tests/data/safetensors/python.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        "layer.0.ramp": np.arange(12, dtype=np.float32).reshape(3, 4) * 0.5,
        "count": np.array(-123456789012345, dtype=np.int64),
        "half": np.linspace(-1, 1, 5, dtype=np.float16),
        "double": np.array([np.pi]),
        "flags": np.array([True, False, True]),
        "bytes": np.arange(7, dtype=np.uint8),
        "nothing": np.zeros((2, 0), dtype=np.float32),
        "ints": np.arange(-3, 3, dtype=np.int32),
    }
    save_file(tensors, path, metadata={"origin": "python"})
