"""A decoder's forward pass in NumPy and float64, read from a GGUF file: what the families of `Decoder` are held to.

Nothing is shared with the Rust side: the `gguf` package reads and dequantises, and the parts of each family are written
here from the models' published descriptions.
"""

import hashlib
import json
import sys
from pathlib import Path

import gguf
import numpy as np


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


class Network:
    def __init__(self, path, keep_all=False):
        """With `keep_all` every tensor stays in memory, 8 bytes a weight."""
        reader = gguf.GGUFReader(path)
        self.fields = {name: field.contents() for name, field in reader.fields.items()}
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        self.family = self.fields["general.architecture"]
        self.kept, self.keep_all = {}, keep_all
        self.blocks, self.hidden = self.field("block_count"), self.field("embedding_length")
        self.heads = self.field("attention.head_count")
        self.kv_heads = self.field("attention.head_count_kv", self.heads)
        self.head_dim = self.field("attention.key_length", self.hidden // self.heads)
        self.is_gemma = self.family.startswith("gemma")

    def field(self, name, default=None):
        return self.fields.get(f"{self.family}.{name}", default)

    def has(self, name):
        return name in self.tensors

    def get(self, name):
        """A tensor in float64; large ones are read again each time."""
        if name in self.kept:
            return self.kept[name]
        tensor = self.tensors[name]
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
        if self.keep_all or values.size < 1 << 24:
            self.kept[name] = values
        return values

    def norm(self, x, name):
        epsilon = self.field("attention.layer_norm_rms_epsilon")
        return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + epsilon) * self.get(f"{name}.weight")

    def sees_window(self, block):
        if self.field("attention.sliding_window") is None:
            return False
        return {"gemma2": block % 2 == 0, "gemma3": block % 6 < 5, "phi3": True}.get(self.family, False)

    def frequencies(self, block, is_long):
        half = self.head_dim // 2
        base = self.field("rope.freq_base", 10000.0)
        divisor = np.ones(half)
        if self.family == "gemma3" and block % 6 < 5:
            base = 10000.0
        elif self.field("rope.scaling.type") == "linear":
            divisor *= self.field("rope.scaling.factor")
        if self.has("rope_freqs.weight"):
            divisor = divisor * self.get("rope_freqs.weight")
        if self.has("rope_factors_long.weight"):
            divisor = divisor * self.get(f"rope_factors_{'long' if is_long else 'short'}.weight")
        return base ** (-np.arange(half) / half) / divisor

    def rope(self, x, start, frequencies):
        """x is [seq, heads, head_dim]."""
        angles = np.outer(np.arange(start, start + len(x)), frequencies)[:, None, :]
        scale = self.field("rope.scaling.attn_factor", 1.0)
        cos, sin = np.cos(angles) * scale, np.sin(angles) * scale
        if self.family == "llama":
            first, second = x[..., 0::2], x[..., 1::2]
            turned = np.empty_like(x)
            turned[..., 0::2] = first * cos - second * sin
            turned[..., 1::2] = first * sin + second * cos
            return turned
        first, second = np.split(x, 2, axis=-1)
        return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)

    def attention(self, x, block, cache, is_long):
        seq = len(x)
        name = lambda part: f"blk.{block}.{part}"
        if self.family == "phi3":
            joined = x @ self.get(name("attn_qkv.weight")).T
            sizes = np.cumsum([self.heads * self.head_dim, self.kv_heads * self.head_dim])
            query, key, value = np.split(joined, sizes, axis=-1)
        else:
            parts = []
            for part in ("attn_q", "attn_k", "attn_v"):
                parts.append(x @ self.get(name(f"{part}.weight")).T)
                if self.family == "qwen2":
                    parts[-1] += self.get(name(f"{part}.bias"))
            query, key, value = parts
        query, key, value = (part.reshape(seq, -1, self.head_dim) for part in (query, key, value))
        if self.family == "gemma3":
            query, key = self.norm(query, name("attn_q_norm")), self.norm(key, name("attn_k_norm"))
        start = len(cache[block][0]) if block < len(cache) else 0
        frequencies = self.frequencies(block, is_long)
        query, key = self.rope(query, start, frequencies), self.rope(key, start, frequencies)
        if start:
            key = np.concatenate([cache[block][0], key])
            value = np.concatenate([cache[block][1], value])
            cache[block] = (key, value)
        else:
            cache.append((key, value))
        distance = (start + np.arange(seq))[:, None] - np.arange(len(key))[None, :]
        hidden = distance < 0
        if self.sees_window(block):
            hidden |= distance >= self.field("attention.sliding_window")
        mixed = np.empty((seq, self.heads, self.head_dim))
        for head in range(self.heads):
            shared = head * self.kv_heads // self.heads
            scores = query[:, head] @ key[:, shared].T / np.sqrt(self.head_dim)
            if self.family == "gemma2":
                cap = self.field("attn_logit_softcapping")
                scores = cap * np.tanh(scores / cap)
            scores[hidden] = -np.inf
            mixed[:, head] = softmax(scores) @ value[:, shared]
        return mixed.reshape(seq, -1) @ self.get(name("attn_output.weight")).T

    def feed_forward(self, x, block):
        name = lambda part: f"blk.{block}.{part}.weight"
        if self.family == "phi3":
            gate, up = np.split(x @ self.get(name("ffn_up")).T, 2, axis=-1)
        else:
            gate, up = x @ self.get(name("ffn_gate")).T, x @ self.get(name("ffn_up")).T
        activation = gelu_tanh if self.is_gemma else silu
        return (activation(gate) * up) @ self.get(name("ffn_down")).T

    def logits(self, ids, cache, is_long=False, last_only=True, blocks=None):
        """Reads ids after what the cache, a list, holds of earlier ones; logits after the last of them, or after each."""
        x = self.get("token_embd.weight")[ids]
        if self.is_gemma:
            x = x * np.sqrt(self.hidden)
        for block in range(blocks or self.blocks):
            mixed = self.attention(self.norm(x, f"blk.{block}.attn_norm"), block, cache, is_long)
            if self.is_gemma:
                mixed = self.norm(mixed, f"blk.{block}.post_attention_norm")
            x = x + mixed
            fed = self.feed_forward(self.norm(x, f"blk.{block}.ffn_norm"), block)
            if self.is_gemma:
                fed = self.norm(fed, f"blk.{block}.post_ffw_norm")
            x = x + fed
        if last_only:
            x = x[-1:]
        head = "output.weight" if self.has("output.weight") else "token_embd.weight"
        scores = self.norm(x, "output_norm") @ self.get(head).T
        if self.family == "gemma2":
            cap = self.field("final_logit_softcapping")
            scores = cap * np.tanh(scores / cap)
        return scores[-1] if last_only else scores


def continued(network, prompt_ids, ends, steps, blocks=None):
    """The greedy continuation of a prompt: at most `steps` tokens, with how much the best logit is above the next, once more than
    tokens where one of `ends` came; by the first `blocks` blocks, or all."""
    cache, ids, tokens, margins, ended = [], prompt_ids, [], [], False
    while len(tokens) < steps:
        logits = network.logits(ids, cache, blocks=blocks)
        second, best = np.argsort(logits)[-2:]
        margins.append(round(float(logits[best] - logits[second]), 4))
        if ended := int(best) in ends:
            break
        tokens.append(int(best))
        ids = [int(best)]
    print(len(prompt_ids), len(tokens), ended, min(margins), file=sys.stderr)
    return {"prompt_ids": prompt_ids, "tokens": tokens, "margins": margins, "ended": ended}


def write(target, made_by, source, cases):
    digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()
    with open(target, "w", encoding="utf-8") as file:
        file.write('{"made_by": "%s", "weights_sha256": "%s", "cases": [\n' % (made_by, digest))
        file.write(",\n".join(json.dumps(case, ensure_ascii=False) for case in cases))
        file.write("\n]}\n")
