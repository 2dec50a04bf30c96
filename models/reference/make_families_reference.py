"""Writes families.json: logits by `network.py` after each of some tokens of the tiny models of every family.

    python make_families_reference.py ../tests/fixtures/families families.json
"""

import json
import sys
from pathlib import Path

from network import Network

# (tokens, the length for which the text is begun): a Phi-3 chooses its factors by the latter.
CASES = [([index * index * 7 % 39 + 1 for index in range(32)], 32), ([3, 1, 4, 1, 5, 9, 2, 6], 8)]


def main(folder, target):
    cases = []
    for path in sorted(Path(folder).glob("*.gguf")):
        network = Network(path)
        for tokens, length in CASES:
            is_long = length > network.field("rope.scaling.original_context_length", length)
            logits = network.logits(tokens, [], is_long, last_only=False)
            together = [network.logits(tokens[:8], cache := [], is_long)]
            apart = together + [network.logits([token], cache, is_long) for token in tokens[8:]]
            assert abs(logits[7:] - apart).max() < 1e-9, "tokens one by one differ from all of them together"
            rows = [[round(float(logit), 6) for logit in row] for row in logits]
            cases.append({"file": path.name, "length": length, "tokens": tokens, "logits": rows})
    with open(target, "w", encoding="utf-8") as file:
        file.write('{"made_by": "make_families_reference.py", "cases": [\n')
        file.write(",\n".join(json.dumps(case) for case in cases))
        file.write("\n]}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
