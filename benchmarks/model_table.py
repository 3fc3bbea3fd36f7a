"""Prints the table of benchmarks/model.sh: medians over its rounds, the floors' share, and the ratio to the peer.

Usage: model_table.py FOLDER with ours-*.json (Google Benchmark) and, where there are some, peer-*.jsonl.
"""

import collections
import json
import pathlib
import statistics
import sys


def main():
    folder = pathlib.Path(sys.argv[1])
    ours, peers = collections.defaultdict(list), collections.defaultdict(list)
    for path in sorted(folder.glob("ours-*.json")):
        for run in json.loads(path.read_text())["benchmarks"]:
            ours[run["name"].removesuffix("/manual_time").removesuffix("/real_time")].append(run)
    for path in sorted(folder.glob("peer-*.jsonl")):
        for line in path.read_text().splitlines():
            run = json.loads(line)
            peers[f"decode/{run['dtype']}/batch:{run['batch']}/threads:{run['threads']}"].append(run)

    def median(runs, key):
        values = [run[key] for run in runs if key in run]
        return statistics.median(values) if values else None

    def show(value, form):
        return format(value, form) if value is not None else ""

    print("| what | tokens/s | of the floor | with prompts, tokens/s | transformers | with prompts | ratio, decoding | ratio, with prompts | ratio, CPU time |")
    print("| :-- | --: | --: | --: | --: | --: | --: | --: | --: |")
    for name, runs in ours.items():
        rate, whole = median(runs, "tokens_per_second"), median(runs, "with_prompts")
        if name.startswith(("refill", "refresh")):
            continue
        peer, peer_whole = median(peers[name], "tokens_per_second"), median(peers[name], "with_prompts")
        cpu, peer_cpu = median(runs, "tokens_per_cpu_second"), median(peers[name], "tokens_per_cpu_second")
        print(f"| {name} | {rate:,.1f} | {show(median(runs, 'of_floor'), '.0%')} | {show(whole, ',.1f')} | {show(peer, ',.1f')} | {show(peer_whole, ',.1f')} "
              f"| {show(peer and rate / peer, '.2f')} | {show(peer_whole and whole / peer_whole, '.2f')} "
              f"| {show(peer_cpu and cpu / peer_cpu, '.2f')} |")
    for name, runs in ours.items():
        if name.startswith("refill"):
            print(f"\n{name}: {median(runs, 'slots_busy'):.1%} of the places busy, completions of {median(runs, 'shortest'):.0f} to {median(runs, 'longest'):.0f} tokens, "
                  f"{median(runs, 'mean_tokens'):.0f} in the mean; {median(runs, 'tokens_per_second'):,.0f} tokens/s")
        if name.startswith("refresh"):
            print(f"\n{name}: {median(runs, 'real_time'):.0f} {runs[0]['time_unit']}")


if __name__ == "__main__":
    main()
