"""Writes embeddings by an independent NumPy forward pass, to hold `BiEncoder` to; of all texts, or of the last so many.

    python make_encoder_reference.py all-minilm-l6-v2/ encoder.json
    python make_encoder_reference.py all-mpnet-base-v2/ all-mpnet-base-v2.json 30
"""

import hashlib
import json
import sys
from pathlib import Path

from encoder_network import Encoder

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


def main(source, target, count=None):
    folder = Path(source)
    limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    encoder = Encoder(folder, limit)
    cases = []
    for text in TEXTS if count is None else TEXTS[-int(count) :]:
        ids, _, truncated = encoder.tokens(text)
        vector = [round(float(x), 6) for x in encoder.vector(ids)]
        cases.append({"text": text, "ids": ids, "truncated": truncated, "vector": vector})
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    with open(target, "w", encoding="utf-8") as file:
        head = '{"made_by": "make_encoder_reference.py", "weights_sha256": "%s", "max_tokens": %d, "cases": [\n'
        file.write(head % (digest, limit))
        file.write(",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases))
        file.write("\n]}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
