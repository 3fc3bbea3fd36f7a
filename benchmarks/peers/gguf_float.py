"""A GGUF file with every tensor as float32 or bfloat16, for llama.cpp at the precision that ours is measured in.

Usage: gguf_float.py IN.gguf OUT.gguf float32|bfloat16. Norms stay float32. Needs the package gguf.
"""

import sys

import gguf
import numpy as np


def main():
    if len(sys.argv) != 4 or sys.argv[3] not in ("float32", "bfloat16"):
        sys.exit(__doc__)
    reader = gguf.GGUFReader(sys.argv[1])
    kind = gguf.LlamaFileType.ALL_F32 if sys.argv[3] == "float32" else gguf.LlamaFileType.MOSTLY_BF16
    writer = gguf.GGUFWriter(sys.argv[2], reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type", "general.quantization_version"):
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    writer.add_file_type(kind)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if kind == gguf.LlamaFileType.MOSTLY_BF16 and values.ndim > 1:
            writer.add_tensor(tensor.name, gguf.quants.quantize(values, gguf.GGMLQuantizationType.BF16), raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
