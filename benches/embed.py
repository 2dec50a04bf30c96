#!/usr/bin/env python3
"""Sets `poq embed` beside onnxruntime on the same weights of MiniLM, two threads on both sides, in turn: texts a second, one
text at a time, each from text to vector; the median of some runs with their range, and the ratio of the medians. Fails where
the vectors differ. For an idle machine.

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
SENTENCE = "Lichens are partnerships of a fungus with algae, and the fungus gives shelter and water while its partner makes sugars. "


class Ours(Answering):
    def __init__(self, poq, model):
        super().__init__(poq, "embed", "--model", model)

    def embed(self, text):
        return self.answer(text=text)["embedding"]


class Theirs:
    def __init__(self, model, onnx):
        self.tokenizer = Tokenizer.from_file(str(Path(model) / "tokenizer.json"))
        self.tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        self.session = onnxruntime.InferenceSession(str(Path(onnx) / "onnx/model.onnx"), options, ["CPUExecutionProvider"])
        self.inputs = [each.name for each in self.session.get_inputs()]

    def embed(self, text):
        encoded = self.tokenizer.encode(text)
        rows = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}
        feed = {name: np.array([rows[name]], dtype=np.int64) for name in self.inputs}
        vector = self.session.run(None, feed)[0][0].mean(axis=0)
        return vector / np.linalg.norm(vector)


def rate(side, texts):
    begun = time.perf_counter()
    for text in texts:
        side.embed(text)
    return len(texts) / (time.perf_counter() - begun)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", metavar="MODEL_FOLDER")
    parser.add_argument("onnx", metavar="ONNX_FOLDER")
    parser.add_argument("--poq", default="target/release/poq")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    ours, theirs = Ours(options.poq, options.model), Theirs(options.model, options.onnx)
    texts = [f"{number}. " + SENTENCE * 2 for number in range(TEXTS)]
    for text in texts[:4]:
        cosine = float(np.dot(ours.embed(text), theirs.embed(text)))
        if not cosine > 0.9999:
            raise SystemExit(f"the vectors of {text!r} differ: their cosine is {cosine}")
    tokens = ours.answer(text=texts[0])["tokens"]
    figures = [[], []]
    for _ in range(options.runs):
        for side, rates in zip((ours, theirs), figures):
            rates.append(rate(side, texts))
            time.sleep(0.2)
    ours.end()
    medians = [statistics.median(rates) for rates in figures]
    row = [f"{middle:.1f} ({min(rates):.1f} to {max(rates):.1f})" for middle, rates in zip(medians, figures)]
    print("| work | poq, texts a second | onnxruntime | ratio |\n|---|---|---|---|")
    print(f"| MiniLM, texts of {tokens} tokens, one at a time | {row[0]} | {row[1]} | {medians[0] / medians[1]:.2f} |")


if __name__ == "__main__":
    main()
