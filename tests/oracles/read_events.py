"""Prints what TensorBoard's own reader finds in a run directory, as one JSON object.

    python tests/oracles/read_events.py RUN_DIR
    {"scalars": {tag: [[step, value], ...]}, "texts": {tag: [[step, text], ...]}}

Needs the package `tensorboard`. tests/records/golden_events.json is its output for the directory
tests/records/golden_run, whose event files tests/records/tensorboard_test.cc writes again byte by byte.
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util


def read(run_dir):
    accumulator = EventAccumulator(run_dir, size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    scalars = {
        tag: [[event.step, event.value] for event in accumulator.Scalars(tag)]
        for tag in tags["scalars"]
    }
    texts = {}
    for tag in tags["tensors"]:
        plugin = accumulator.SummaryMetadata(tag).plugin_data.plugin_name
        if plugin == "text":
            texts[tag] = [
                [event.step, tensor_util.make_ndarray(event.tensor_proto)[0].decode()]
                for event in accumulator.Tensors(tag)
            ]
    return {"scalars": scalars, "texts": texts}


if __name__ == "__main__":
    json.dump(read(sys.argv[1]), sys.stdout, indent=1, sort_keys=True)
    print()
