#!/usr/bin/env python3
"""Sets `poq embed` beside onnxruntime on the same weights of MiniLM, two threads on both sides, in turn: texts a second, one
text at a time and 32 at a time, each from text to vector; the median of some runs with their range, and the ratio of the
medians. Fails where the vectors differ. For an idle machine.

    cargo build --release -p poq-worker
    pip install -r benches/inference/requirements.txt
    python3 benches/inference/onnx_minilm.py MODEL_FOLDER ONNX_FOLDER
    python3 benches/embed.py MODEL_FOLDER ONNX_FOLDER [--poq target/release/poq] [--runs 7]
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from answering import THREADS, Answering

TEXTS = 64
BATCHES = (1, 32)
SENTENCE = "Lichens are partnerships of a fungus with algae, and the fungus gives shelter and water while its partner makes sugars. "


class Ours(Answering):
    def __init__(self, poq, model, batch):
        super().__init__(poq, "embed", "--model", model, "--batch", str(batch))

    def embed(self, texts):
        return [row["embedding"] for row in self.answers([{"text": text} for text in texts])]


class Theirs:
    def __init__(self, model, onnx):
        self.tokenizer = Tokenizer.from_file(str(Path(model) / "tokenizer.json"))
        self.tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        self.session = onnxruntime.InferenceSession(str(Path(onnx) / "onnx/model.onnx"), options, ["CPUExecutionProvider"])
        self.inputs = [each.name for each in self.session.get_inputs()]

    def embed(self, texts):
        """Of texts of about the same length, filled up to the longest."""
        encoded = self.tokenizer.encode_batch(texts)
        longest = max(len(text.ids) for text in encoded)
        filled = lambda numbers: np.array([row + [0] * (longest - len(row)) for row in numbers], dtype=np.int64)
        rows = {
            "input_ids": filled([text.ids for text in encoded]),
            "attention_mask": filled([text.attention_mask for text in encoded]),
            "token_type_ids": filled([text.type_ids for text in encoded]),
        }
        states = self.session.run(None, {name: rows[name] for name in self.inputs})[0]
        mask = rows["attention_mask"][:, :, None]
        vectors = (states * mask).sum(axis=1) / mask.sum(axis=1)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def embedded(side, texts, batch):
    return [vector for start in range(0, len(texts), batch) for vector in side.embed(texts[start : start + batch])]


def rate(side, texts, batch):
    begun = time.perf_counter()
    embedded(side, texts, batch)
    return len(texts) / (time.perf_counter() - begun)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", metavar="MODEL_FOLDER")
    parser.add_argument("onnx", metavar="ONNX_FOLDER")
    parser.add_argument("--poq", default="target/release/poq")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    texts = [f"{number}. " + SENTENCE * 2 for number in range(TEXTS)]
    theirs = Theirs(options.model, options.onnx)
    print("| work | poq, texts a second | onnxruntime | ratio |\n|---|---|---|---|")
    for batch in BATCHES:
        ours = Ours(options.poq, options.model, batch)
        compared = texts[: max(batch, 4)]
        for text, own, other in zip(compared, embedded(ours, compared, batch), embedded(theirs, compared, batch)):
            cosine = float(np.dot(own, other))
            if not cosine > 0.9999:
                raise SystemExit(f"the vectors of {text!r} differ: their cosine is {cosine}")
        figures = [[], []]
        for _ in range(options.runs):
            for side, rates in zip((ours, theirs), figures):
                rates.append(rate(side, texts, batch))
                time.sleep(0.2)
        tokens = ours.answers([{"text": texts[0]}] * batch)[0]["tokens"]
        ours.end()
        medians = [statistics.median(rates) for rates in figures]
        row = [f"{middle:.1f} ({min(rates):.1f} to {max(rates):.1f})" for middle, rates in zip(medians, figures)]
        work = f"MiniLM, texts of {tokens} tokens, {'one' if batch == 1 else batch} at a time"
        print(f"| {work} | {row[0]} | {row[1]} | {medians[0] / medians[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
