#!/usr/bin/env python3
"""Sets `poq generate` beside llama.cpp on the same GGUF files, two threads on both sides, in turn: tokens a second of a decode
and of a prompt, the median of some runs with their range, and the ratio of the medians. For an idle machine.

    cargo build --release -p poq-worker
    pip install xllamacpp
    python3 benches/decode.py [--poq target/release/poq] [--runs 7] MODEL.gguf...
"""

import argparse
import json
import statistics
import time
import urllib.request
from pathlib import Path

import xllamacpp

from answering import THREADS, Answering

TOKENS = 64
SENTENCE = "Lichens are partnerships of a fungus with algae, and the fungus gives shelter and water while its partner makes sugars. "


class Ours(Answering):
    def __init__(self, poq, model, tokens):
        super().__init__(poq, "generate", "--model", model, "--max-tokens", str(tokens))


class Theirs:
    def __init__(self, model):
        parameters = xllamacpp.CommonParams()
        parameters.model.path = model
        parameters.n_ctx = 1024
        parameters.n_parallel = 1
        parameters.cpuparams.n_threads = THREADS
        parameters.cpuparams_batch.n_threads = THREADS
        self.server = xllamacpp.Server(parameters)

    def timings(self, prompt, tokens):
        body = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "cache_prompt": False, "ignore_eos": True}
        request = urllib.request.Request(
            self.server.listening_address + "/completion", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        return json.loads(urllib.request.urlopen(request).read())["timings"]


def told(name, ours, theirs):
    middle, other = statistics.median(ours), statistics.median(theirs)
    row = [f"{middle:.1f} ({min(ours):.1f} to {max(ours):.1f})", f"{other:.1f} ({min(theirs):.1f} to {max(theirs):.1f})"]
    print(f"| {name} | {row[0]} | {row[1]} | {middle / other:.2f} |", flush=True)


def compare(poq, model, runs):
    prompts = [f"{number}. " + SENTENCE * 16 for number in range(runs + 1)]
    starts = [f"{number}. Once upon a time" for number in range(runs + 1)]
    one, many, theirs = Ours(poq, model, 1), Ours(poq, model, TOKENS), Theirs(model)
    figures = {"decode": ([], []), "prompt": ([], [])}
    # The first of each is for first-use work.
    for index in range(runs + 1):
        first, all_of = one.answer(prompt=starts[index]), many.answer(prompt=starts[index])
        decode = (all_of["tokens_out"] - 1) / (all_of["latency_ms"] - first["latency_ms"]) * 1e3
        read = one.answer(prompt=prompts[index])
        prompt = read["tokens_in"] / read["latency_ms"] * 1e3
        time.sleep(0.2)
        there = theirs.timings(starts[index], TOKENS)["predicted_per_second"]
        there_prompt = theirs.timings(prompts[index], 1)["prompt_per_second"]
        if index > 0:
            for name, ours, other in (("decode", decode, there), ("prompt", prompt, there_prompt)):
                figures[name][0].append(ours)
                figures[name][1].append(other)
    tokens = read["tokens_in"]
    for name, (ours, other) in figures.items():
        told(f"{Path(model).stem}, {name}{f' of {tokens} tokens' if name == 'prompt' else ''}", ours, other)
    one.end()
    many.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--poq", default="target/release/poq")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("models", nargs="+", metavar="MODEL.gguf")
    options = parser.parse_args()
    print("| work | poq, tokens a second | llama.cpp | ratio |\n|---|---|---|---|")
    for model in options.models:
        compare(options.poq, model, options.runs)


if __name__ == "__main__":
    main()
