"""Writes encoder.json: embeddings by an independent NumPy forward pass, to hold `BiEncoder` to.

    python make_encoder_reference.py all-minilm-l6-v2/ encoder.json
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from scipy.special import erf
from tokenizers import Tokenizer

SENTENCE = "The quick brown fox jumps over the lazy dog while the river runs quietly past the old mill. "

TEXTS = [
    "",
    " ",
    "a",
    "Paris",
    "The capital of France is Paris.",
    "Paris is France's capital city.",
    "THE CAPITAL OF FRANCE IS PARIS!!!",
    "What is the capital of France?",
    "Bananas are yellow.",
    "The stock market fell by 3.5% on Monday, 12 October 1987.",
    "He said: \"I can't believe it's 42,195 metres.\"",
    "naïve café résumé Zoë Ångström",
    "Die größte Stadt Österreichs heißt Wien.",
    "日本の首都は東京です。",
    "Москва — столица России.",
    "العاصمة هي القاهرة",
    "हिन्दी भाषा",
    "😀 👩‍👩‍👧 🇨🇭",
    "½ cup, 10 µm, x² + y² = z², ∑ ∞ ≠ ≤",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "[CLS] [SEP] [MASK] [PAD] [UNK]",
    "<html><body>&amp; &lt;b&gt;</body></html>",
    "def f(x):\n    return x ** 2  # square",
    "tabs\tand\nnew lines\r\nand\u00a0hard\u2003spaces",
    "zero\u200bwidth\u200djoiner and a null \x00 byte",
    "e\u0301 combining and é composed",
    "0 1 2 3 4 5 6 7 8 9 10 11 12",
    "http://example.org/path?query=1&other=2#part",
    "user@example.org",
    "...!!!???",
    "A man is playing a guitar.",
    "A person plays an instrument.",
    "Nobody is playing music here.",
    "The rainforest covers 5,500,000 square kilometres.",
    "Summaries should be short, faithful and readable.",
    "Proof of quality pays nodes for good answers.",
    "Don't won't I'll we've they're it's",
    "mixed 日本語 and English と français",
    "ﬁ ligature, Ⅷ numeral, ﷺ",
    SENTENCE,
    SENTENCE * 3,
    SENTENCE * 8,
    SENTENCE * 12,
    SENTENCE * 14,
    SENTENCE * 40,
    "word " * 254,
    "word " * 255,
    "日本語 " * 200,
    "one two three four five six seven eight nine ten " * 100,
]


def tensors_to_function(weights, config, heads):
    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(config["layer_norm_eps"]))
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def embed(ids):
        x = weights["embeddings.word_embeddings.weight"][ids]
        x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
        x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for index in range(config["num_hidden_layers"]):
            layer = f"encoder.layer.{index}"
            q, k, v = (
                linear(x, f"{layer}.attention.self.{part}").reshape(len(ids), heads, -1).swapaxes(0, 1)
                for part in ("query", "key", "value")
            )
            scores = q @ k.swapaxes(1, 2) / np.float32(np.sqrt(q.shape[-1]))
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ v
            mixed = mixed.swapaxes(0, 1).reshape(len(ids), -1)
            x = norm(x + linear(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
            h = linear(x, f"{layer}.intermediate.dense")
            h = h * 0.5 * (1 + erf(h / np.float32(np.sqrt(2))))
            x = norm(x + linear(h, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        mean = x.mean(axis=0)
        return mean / np.linalg.norm(mean)

    return embed


def main(source, target):
    folder = Path(source)
    config = json.loads((folder / "config.json").read_text())
    limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    weights = {name: tensor.astype(np.float32) for name, tensor in load_file(folder / "model.safetensors").items()}
    embed = tensors_to_function(weights, config, config["num_attention_heads"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # Names of special tokens in a text are text: whoever writes an answer does not choose what ends it.
    tokenizer.encode_special_tokens = True
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        # Cut by hand: the tokenizer's own cut is what is under test.
        cut = ids if len(ids) <= limit else ids[: limit - 1] + ids[-1:]
        vector = [round(float(x), 6) for x in embed(cut)]
        cases.append({"text": text, "ids": cut, "truncated": len(ids) > limit, "vector": vector})
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    with open(target, "w", encoding="utf-8") as file:
        head = '{"made_by": "make_encoder_reference.py", "weights_sha256": "%s", "max_tokens": %d, "cases": [\n'
        file.write(head % (digest, limit))
        file.write(",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases))
        file.write("\n]}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
