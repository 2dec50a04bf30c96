"""Writes smollm2-135m-instruct.json: greedy continuations by an independent NumPy forward pass, to hold `Decoder` to.

Nothing is shared with the Rust side: the `gguf` package dequantises, the `tokenizers` package is built here from the
GGUF's metadata, and the network below is plain float32 NumPy.

    python make_decoder_reference.py SmolLM2-135M-Instruct.Q4_1.gguf smollm2-135m-instruct.json
"""

import hashlib
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

STEPS = 64
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

ARTICLE = (
    "The Amazon rainforest covers most of the Amazon basin of South America. This basin encompasses 7,000,000 square "
    "kilometres, of which 5,500,000 square kilometres are covered by the rainforest. The majority of the forest is "
    "contained within Brazil, with 60% of the rainforest, followed by Peru with 13%, and Colombia with 10%."
)


def user(*contents, system=None):
    messages = [] if system is None else [{"role": "system", "content": system}]
    for index, content in enumerate(contents):
        messages.append({"role": "user" if index % 2 == 0 else "assistant", "content": content})
    return {"messages": messages}


# A text, or messages; (prompt, number of blocks to run or None for all).
CASES = [
    ({"text": "The capital of France is"}, None),
    ({"text": "Once upon a time, in a small village by the sea,"}, None),
    ({"text": "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n"}, None),
    ({"text": "1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233,"}, None),
    ({"text": "In 1969, 3 astronauts travelled 384,400 km to the Moon; 50% of them"}, None),
    ({"text": "Q: What is 12 + 30?\nA: 42\nQ: What is 17 + 25?\nA:"}, None),
    ({"text": "La ville de Genève est située à l'extrémité sud-ouest du lac Léman, où"}, None),
    ({"text": "日本の首都は"}, None),
    ({"text": "Die größte Stadt Österreichs heißt"}, None),
    ({"text": "😀 emoji 👩‍👩‍👧 families and ½ cups of naïve café “quotes” — dashes…"}, None),
    ({"text": "SELECT name, COUNT(*) FROM orders WHERE total > 100.50 GROUP BY"}, None),
    ({"text": "  leading   spaces\tand\ttabs\n\n\nand blank lines  "}, None),
    ({"text": "{\"name\": \"Ada\", \"born\": 1815, \"fields\": [\"mathematics\","}, None),
    ({"text": ARTICLE + "\n\nQuestion: Which country has the most of the rainforest?\nAnswer:"}, None),
    ({"text": "x"}, None),
    ({"text": "I'll we've they're don't it's HE'S CAN'T you'd"}, None),
    (user("What is the capital of Japan?"), None),
    (user("Write one sentence about rivers.", system="You are a poet who answers in one line."), None),
    (user("Summarise this text in one sentence:\n" + ARTICLE), None),
    (user("Hi, I am Zoë.", "Hello Zoë! How can I help you today?", "What is my name?"), None),
    (user("List the first 5 prime numbers."), None),
    (user("Write a Rust function that adds two numbers."), None),
    (user("Why is the sky blue? Explain it to a child."), None),
    (user("Übersetze ins Englische: „Guten Morgen, wie geht's?“"), None),
    (user("Context: " + ARTICLE + "\nQuestion: How many square kilometres does the basin encompass?"), None),
    (user(" ".join(f"Item {n} costs {n * 7 % 31}.{n % 10}0 euros." for n in range(60)) + " Which item is cheap?"), None),
    ({"text": "The three primary colours are"}, 22),
    (user("What is the capital of Italy?"), 26),
]


class Model:
    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        self.fields = fields
        self.tensors = {
            tensor.name: np.ascontiguousarray(gguf.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
            for tensor in reader.tensors
        }
        self.layers = fields["llama.block_count"]
        self.heads = fields["llama.attention.head_count"]
        self.kv_heads = fields["llama.attention.head_count_kv"]
        self.head_dim = fields["llama.embedding_length"] // self.heads
        self.epsilon = np.float32(fields["llama.attention.layer_norm_rms_epsilon"])
        exponents = np.arange(self.head_dim // 2, dtype=np.float64) * 2 / self.head_dim
        self.frequencies = fields["llama.rope.freq_base"] ** -exponents

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.epsilon) * self.tensors[name]

    def rope(self, x, start):
        """x is [seq, heads, head_dim]; numbers 2i and 2i + 1 of a head are one pair."""
        angles = np.outer(np.arange(start, start + len(x)), self.frequencies)
        cos, sin = (f(angles).astype(np.float32)[:, None, :] for f in (np.cos, np.sin))
        even, odd = x[..., 0::2], x[..., 1::2]
        return np.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(x.shape)

    def forward(self, ids, cache, layers):
        """Reads ids after what the cache holds (a list of (keys, values) a layer); logits after the last."""
        start = cache[0][0].shape[0] if cache else 0
        x = self.tensors["token_embd.weight"][ids]
        for index in range(layers):
            w = lambda part: self.tensors[f"blk.{index}.{part}.weight"]
            h = self.norm(x, f"blk.{index}.attn_norm.weight")
            q = self.rope((h @ w("attn_q").T).reshape(len(ids), self.heads, -1), start)
            k = self.rope((h @ w("attn_k").T).reshape(len(ids), self.kv_heads, -1), start)
            v = (h @ w("attn_v").T).reshape(len(ids), self.kv_heads, -1)
            if len(cache) > index:
                k = np.concatenate([cache[index][0], k])
                v = np.concatenate([cache[index][1], v])
                cache[index] = (k, v)
            else:
                cache.append((k, v))
            mixed = np.empty_like(q)
            for head in range(self.heads):
                shared = head * self.kv_heads // self.heads
                scores = q[:, head] @ k[:, shared].T / np.float32(np.sqrt(self.head_dim))
                later = np.arange(len(k))[None, :] > start + np.arange(len(ids))[:, None]
                scores[later] = -np.inf
                scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
                mixed[:, head] = scores / scores.sum(axis=-1, keepdims=True) @ v[:, shared]
            x = x + mixed.reshape(len(ids), -1) @ w("attn_output").T
            h = self.norm(x, f"blk.{index}.ffn_norm.weight")
            gate = h @ w("ffn_gate").T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ w("ffn_up").T)) @ w("ffn_down").T
        last = self.norm(x[-1], "output_norm.weight")
        return self.tensors.get("output.weight", self.tensors["token_embd.weight"]) @ last


def build_tokenizer(fields):
    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, fields["tokenizer.ggml.token_type"]) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def chat(messages):
    text = "" if messages[0]["role"] == "system" else f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
    for message in messages:
        text += f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n"
    return text + "<|im_start|>assistant\n"


def main(source, target):
    model = Model(source)
    tokenizer = build_tokenizer(model.fields)
    ends = {model.fields["tokenizer.ggml.eos_token_id"]}
    ends |= {tokenizer.token_to_id(name) for name in ("<|im_end|>", "<|endoftext|>")}
    cases = []
    for prompt, layers in CASES:
        text = chat(prompt["messages"]) if "messages" in prompt else prompt["text"]
        prompt_ids = tokenizer.encode(text, add_special_tokens=False).ids
        cache, ids, tokens, margins, ended = [], prompt_ids, [], [], False
        while len(tokens) < STEPS:
            logits = model.forward(ids, cache, layers or model.layers)
            second, best = np.argpartition(logits, -2)[-2:]
            if logits[second] > logits[best]:
                second, best = best, second
            margins.append(round(float(logits[best] - logits[second]), 4))
            if int(best) in ends:
                ended = True
                break
            tokens.append(int(best))
            ids = [int(best)]
        cases.append(
            {
                "prompt": prompt,
                "layers": layers,
                "prompt_ids": prompt_ids,
                "tokens": tokens,
                # One more than tokens where the end-of-text token came.
                "margins": margins,
                "ended": ended,
                "text": tokenizer.decode(tokens, skip_special_tokens=True),
            }
        )
        print(len(cases), len(prompt_ids), len(tokens), ended, min(margins), repr(cases[-1]["text"][:60]), file=sys.stderr)
    digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()
    with open(target, "w", encoding="utf-8") as file:
        file.write('{"made_by": "make_decoder_reference.py", "weights_sha256": "%s", "cases": [\n' % digest)
        file.write(",\n".join(json.dumps(case, ensure_ascii=False) for case in cases))
        file.write("\n]}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
