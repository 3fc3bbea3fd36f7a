"""The `tokenizers` package on the text of build/free/tokenizer_bench: one thread, processor time, the best of five.

    build/release/cogent model convert SmolLM2-135M-Instruct.Q4_1.gguf models/smollm2
    cat docs/*.md verifiers/*.cc experiments/*.cc > text.txt
    build/free/tokenizer_bench models/smollm2 text.txt
    benchmarks/peers/.venv-oracles/bin/python benchmarks/peers/tokenizer_rate.py models/smollm2/tokenizer.json text.txt
"""
import os
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402


def best(work):
    times = []
    for _ in range(5):
        begin = time.process_time()
        result = work()
        times.append(time.process_time() - begin)
    return min(times), result


def main():
    tokenizer = Tokenizer.from_file(sys.argv[1])
    data = open(sys.argv[2], "rb").read()
    pieces, at = [], 0
    while at < len(data):
        end = min(at + 2000, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end += 1
        pieces.append(data[at:end].decode())
        at = end
    encode, ids = best(lambda: [tokenizer.encode(piece, add_special_tokens=False).ids for piece in pieces])
    decode, _ = best(lambda: [tokenizer.decode(one, skip_special_tokens=False) for one in ids])
    megabytes = len(data) / 1e6
    print("encode %.1f MB/s, decode %.1f MB/s; %.1f MB, %d tokens" % (megabytes / encode, megabytes / decode, megabytes, sum(map(len, ids))))


main()
