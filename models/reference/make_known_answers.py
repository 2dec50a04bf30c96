"""Picks from the references what a device must compute right before its results are trusted: known_decoders.json and
known_encoders.json. The standard library alone.

Of a decoder: the short plain text whose first tokens are the least close to another choice. Of an encoder: a sentence of some
twenty tokens, which is not cut.
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
STEPS = 8
SHORT = 32
DECODERS = ["smollm2-135m-instruct", "gemma-3-270m", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"]
ENCODERS = ["encoder", "all-mpnet-base-v2"]
TOKENS = 20


def reference(name):
    return json.loads((HERE / f"{name}.json").read_text())


def of_decoder(name):
    read = reference(name)

    def is_short_text(case):
        is_short = len(case["prompt_ids"]) <= SHORT and len(case["tokens"]) >= STEPS
        return "text" in case["prompt"] and case["layers"] is None and is_short

    def least(case):
        return min(case["margins"][:STEPS])

    case = max(filter(is_short_text, read["cases"]), key=least)
    return {
        "weights_sha256": read["weights_sha256"],
        "prompt": case["prompt"]["text"],
        "tokens": case["tokens"][:STEPS],
        "margins": case["margins"][:STEPS],
    }


def of_encoder(name):
    read = reference(name)
    case = min(read["cases"], key=lambda case: (case["truncated"], abs(len(case["ids"]) - TOKENS)))
    return {"weights_sha256": read["weights_sha256"], "text": case["text"], "vector": case["vector"]}


def write(name, known):
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in known)
    (HERE / name).write_text(f"[\n{lines}\n]\n")


write("known_decoders.json", [of_decoder(name) for name in DECODERS])
write("known_encoders.json", [of_encoder(name) for name in ENCODERS])
