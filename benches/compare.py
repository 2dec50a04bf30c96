#!/usr/bin/env python3
"""Sets the Rust simulator's speed beside a vectorised NumPy version of the same experiment, one thread each, in turn.

Both run the default scenario (one node drawn, K = 3 evaluators without repetition, mean consensus, min-max costs) and
keep every node's count, mean reward and deviation. Reading the dataset is not timed. Fails where a node's mean rewards
differ by more than five standard errors.

    cargo build --release -p poq-benches
    pip install numpy
    python3 benches/compare.py [--dataset static/datasets/poq-lab-2] [--rounds 1000000] [--at-least 5]
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402: after the thread limits

ROOT = Path(__file__).resolve().parent.parent
K = 3
ALPHA, BETA = 1.0, 0.5
# Rounds worked on at once: the arrays of this many stay in cache, which is quicker than a million at once.
BLOCK = 1 << 15


def rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def min_max(latency):
    spread = latency.max() - latency.min()
    return (latency - latency.min()) / spread if spread > 0 else np.zeros_like(latency)


def load(folder):
    """Scores [task, node, evaluator] in [0, 10], then the costs of nodes and evaluators, and their ids."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    evaluators = [entry for entry in manifest["evaluators"] if entry["kind"] != "judge"]
    task_at = {row["id"]: i for i, row in enumerate(rows(folder / "tasks.jsonl"))}
    node_at = {entry["id"]: i for i, entry in enumerate(manifest["inference_nodes"])}
    evaluator_at = {entry["id"]: i for i, entry in enumerate(evaluators)}
    raw = np.empty((len(task_at), len(node_at), len(evaluator_at)))
    evaluation_ms = np.empty_like(raw)
    for row in rows(folder / "scores.jsonl"):
        if row["evaluator"] in evaluator_at:
            at = task_at[row["task"]], node_at[row["node"]], evaluator_at[row["evaluator"]]
            raw[at], evaluation_ms[at] = row["raw"], row["latency_ms"]
    inference_ms = np.empty(raw.shape[:2])
    for row in rows(folder / "outputs.jsonl"):
        inference_ms[task_at[row["task"]], node_at[row["node"]]] = row["latency_ms"]
    normalizations = {
        "unit": lambda x: 10 * np.clip(x, 0, 1),
        "sigmoid": lambda x: 10 / (1 + np.exp(-x)),
        "min_max": lambda x: 10 * min_max(x),
        "ten": lambda x: np.clip(x, 0, 10),
    }
    scores = np.empty_like(raw)
    for i, entry in enumerate(evaluators):
        scores[:, :, i] = normalizations[entry["normalization"]](raw[:, :, i])
    costs = min_max(inference_ms.mean(axis=0)), min_max(evaluation_ms.mean(axis=(0, 1)))
    return scores, costs, (list(node_at), list(evaluator_at))


def simulate(scores, costs, rounds, seed):
    """By role: count, sum and sum of squares of each node's rewards."""
    tasks, nodes, pool = scores.shape
    node_charge, evaluator_charge = BETA * costs[0], BETA * costs[1]
    random = np.random.default_rng(seed)
    flat = scores.reshape(-1)
    # As the Rust side does: one draw from all sets of K evaluators.
    sets = np.array(list(itertools.combinations(range(pool), K)), dtype=np.int32).T.copy()
    sums = np.zeros((3, nodes)), np.zeros((3, pool))

    def add(role, who, reward):
        size = sums[role].shape[1]
        sums[role][0] += np.bincount(who, minlength=size)
        sums[role][1] += np.bincount(who, reward, size)
        sums[role][2] += np.bincount(who, reward * reward, size)

    for start in range(0, rounds, BLOCK):
        n = min(BLOCK, rounds - start)
        task = random.integers(tasks, size=n, dtype=np.int32)
        node = random.integers(nodes, size=n, dtype=np.int32)
        drawn = sets[:, random.integers(sets.shape[1], size=n, dtype=np.int32)]
        given = flat[(task * nodes + node) * pool + drawn]
        consensus = given.mean(axis=0)
        add(0, node, ALPHA * consensus / 10 - node_charge[node])
        closeness = 1 - np.abs(given - consensus) / 10
        add(1, drawn.ravel(), (ALPHA * closeness - evaluator_charge[drawn]).ravel())
    return sums


def figures(sums, ids):
    count, total, squares = sums
    mean = total / count
    sd = np.sqrt(np.maximum(squares - total * mean, 0) / (count - 1))
    return [dict(id=i, rounds=c, reward_mean=m, reward_sd=s) for i, c, m, s in zip(ids, count, mean, sd)]


def disagreements(role, ours, theirs):
    faults = []
    for a, b in zip(ours, theirs, strict=True):
        assert a["id"] == b["id"], (a, b)
        error = np.hypot(a["reward_sd"] / a["rounds"] ** 0.5, b["reward_sd"] / b["rounds"] ** 0.5)
        apart = abs(a["reward_mean"] - b["reward_mean"])
        mark = "ok" if apart <= 5 * error else "DIFFERS"
        print(f"  {role:9} {a['id']:24} {a['reward_mean']:9.5f} {b['reward_mean']:9.5f} {apart / error:6.2f} se  {mark}")
        if mark != "ok":
            faults.append(a["id"])
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, default=ROOT / "static/datasets/poq-lab-2")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/rounds")
    parser.add_argument("--rounds", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--at-least", type=float, default=0.0, help="fail below this ratio")
    arguments = parser.parse_args()
    if not arguments.binary.exists():
        sys.exit(f"{arguments.binary} is missing: cargo build --release -p poq-benches")

    scores, costs, ids = load(arguments.dataset)
    ratios = []
    for repeat in range(arguments.repeats):
        command = [arguments.binary, arguments.dataset, str(arguments.rounds), str(repeat)]
        rust = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        start = time.perf_counter()
        sums = simulate(scores, costs, arguments.rounds, repeat)
        numpy_secs = time.perf_counter() - start
        ratios.append(numpy_secs / rust["elapsed_secs"])
        print(f"rust {arguments.rounds / rust['elapsed_secs'] / 1e6:7.2f} M rounds/s   "
              f"numpy {arguments.rounds / numpy_secs / 1e6:7.2f} M rounds/s   ratio {ratios[-1]:6.2f}")
    ratio = statistics.median(ratios)
    print(f"median ratio {ratio:.2f} over {arguments.repeats} runs of {arguments.rounds} rounds")
    print("mean rewards, rust and numpy:")
    faults = disagreements("inference", rust["inference"], figures(sums[0], ids[0]))
    faults += disagreements("evaluator", rust["evaluators"], figures(sums[1], ids[1]))
    if faults:
        sys.exit(f"mean rewards differ by more than five standard errors: {', '.join(faults)}")
    if ratio < arguments.at_least:
        sys.exit(f"the ratio {ratio:.2f} is below {arguments.at_least}")


if __name__ == "__main__":
    main()
