"""Writes encoder_families.json: what an independent NumPy forward pass makes of texts and pairs with the small random
encoders in ../tests/fixtures/encoders.

    python make_encoder_families_reference.py
"""

import json
from pathlib import Path

import numpy as np

from encoder_network import Encoder, TextCnn, softmax

HERE = Path(__file__).parent

TEXTS = ["", "the cat", "The cat sat on the mat, is it?", "Paris  is a city of France.", "naïve café 日本 😀",
         "tabs\tand\nlines", "ﬁsh Ａ ½", "[CLS] <s> </s> [SEP] [MASK]", "the cat sat on a mat. " * 12]  # fmt: skip

PAIRS = [
    ("what is the capital of france?", "paris"),
    ("paris", "what is the capital of france?"),
    ("", ""),
    ("the cat", ""),
    ("", "the cat"),
    ("the cats sat on the mats", "a dog is sitting in the city 1 2 29"),
    ("naïve café 日本 😀", "ﬁsh Ａ ½ !"),
    ("is it the cat? [SEP]", "</s> <s> [CLS]"),
    ("the cat sat on the mat. " * 10, "a dog"),
    ("a dog", "the cat sat on the mat. " * 10),
    ("the cat sat on the mat. " * 10, "a dog is in the city of paris. " * 10),
]

SPECIAL = {"[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"}


def value(config, logits):
    """As the CrossEncoder of sentence-transformers has it; of several labels the probability that one entails."""
    if len(logits) > 1:
        label = next(int(index) for index, name in config["id2label"].items() if name.startswith("entail"))
        return softmax(logits)[label]
    name = config.get("sentence_transformers", {}).get("activation_fn")
    name = name or config.get("sbert_ce_default_activation_function") or "torch.nn.modules.activation.Sigmoid"
    functions = {"Identity": lambda x: x, "Tanh": np.tanh, "Sigmoid": lambda x: 1 / (1 + np.exp(-x))}
    return functions[name.rsplit(".")[-1]](logits[0])


def encoder_of(folder):
    if folder.name == "text-cnn":
        return TextCnn(folder)
    encoder = Encoder(folder)
    # A Unigram finds the names of special tokens in texts, even where it is told that they are text.
    tokenizer = json.loads(encoder.tokenizer.to_str())
    if tokenizer["model"]["type"] == "Unigram":
        for piece in tokenizer["model"]["vocab"]:
            if piece[0] in SPECIAL:
                piece[0] = f"▁{piece[0]}▁"
        tokenizer["added_tokens"] = []
        encoder.tokenizer = encoder.tokenizer.from_str(json.dumps(tokenizer))
    return encoder


def main():
    families = {}
    for folder in sorted((HERE / "../tests/fixtures/encoders").iterdir()):
        encoder = encoder_of(folder)
        texts, pairs = [], []
        for text in [] if isinstance(encoder, TextCnn) else TEXTS:
            ids, _, truncated = encoder.tokens(text)
            texts.append({"text": text, "ids": ids, "truncated": truncated, "vector": encoder.vector(ids).tolist()})
        for first, second in PAIRS:
            ids, types, truncated = encoder.tokens(first, second)
            logits = encoder.logits(ids, types)
            pairs.append({"pair": [first, second], "ids": ids, "types": types, "truncated": truncated,
                          "logits": logits.tolist(), "value": float(value(encoder.config, logits))})  # fmt: skip
        families[folder.name] = {"texts": texts, "pairs": pairs}
    with open(HERE / "encoder_families.json", "w", encoding="utf-8") as file:
        json.dump(families, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
