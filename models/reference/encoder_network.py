"""Encoders in NumPy, in float64: the states of tokens, and the logits of heads for sequence classification.

One class for all families. Written from the papers (BERT arXiv 1810.04805, MPNet 2004.09297, DeBERTa 2006.03654) and
from the layout of the files, beside the Rust code and not from it.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from scipy.special import erf
from tokenizers import Tokenizer

LAYERS = {
    "bert": dict(
        layer="encoder.layer", query="attention.self.query", key="attention.self.key", value="attention.self.value",
        mixed="attention.output.dense", mixed_norm="attention.output.LayerNorm", up="intermediate.dense",
        down="output.dense", norm="output.LayerNorm",
    ),
    "distilbert": dict(
        layer="transformer.layer", query="attention.q_lin", key="attention.k_lin", value="attention.v_lin",
        mixed="attention.out_lin", mixed_norm="sa_layer_norm", up="ffn.lin1", down="ffn.lin2",
        norm="output_layer_norm",
    ),
    "mpnet": dict(
        layer="encoder.layer", query="attention.attn.q", key="attention.attn.k", value="attention.attn.v",
        mixed="attention.attn.o", mixed_norm="attention.LayerNorm", up="intermediate.dense", down="output.dense",
        norm="output.LayerNorm",
    ),
}  # fmt: skip
LAYERS["roberta"] = LAYERS["bert"]
LAYERS["deberta-v2"] = LAYERS["bert"] | {
    "query": "attention.self.query_proj", "key": "attention.self.key_proj", "value": "attention.self.value_proj",
}  # fmt: skip


def gelu(x):
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


# Dense layer, activation and output layer of heads.
HEADS = {
    "bert": ("bert.pooler.dense", np.tanh, "classifier"),
    "distilbert": ("pre_classifier", lambda x: np.maximum(x, 0), "classifier"),
    "roberta": ("classifier.dense", np.tanh, "classifier.out_proj"),
    "mpnet": ("classifier.dense", np.tanh, "classifier.out_proj"),
    "deberta-v2": ("pooler.dense", gelu, "classifier"),
}


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


class Encoder:
    """An encoder of a folder: config.json, tokenizer.json, model.safetensors."""

    def __init__(self, folder, max_tokens=None):
        folder = Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        tensors = load_file(folder / "model.safetensors")
        self.weights = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
        words = "embeddings.word_embeddings.weight"
        self.prefix = next(name for name in self.weights if name.endswith(words))[: -len(words)]
        self.family = self.config["model_type"]
        self.names = LAYERS[self.family]
        of = lambda *names: next(self.config[name] for name in names if name in self.config)
        self.heads = of("num_attention_heads", "n_heads")
        self.layers = of("num_hidden_layers", "n_layers")
        self.first = self.config["pad_token_id"] + 1 if self.family in ("roberta", "mpnet") else 0
        positions = self.config["max_position_embeddings"] - self.first
        self.max_tokens = min(max_tokens or positions, positions)
        self.read_tokenizer(folder)

    def read_tokenizer(self, folder):
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        # Names of special tokens in a text are text: whoever writes an answer does not choose what ends it.
        self.tokenizer.encode_special_tokens = True

    def tokens(self, text, other=None):
        """Ids and types of a text or a pair, and whether it was cut to fit, by hand: the library's own cut is what is
        under test."""
        whole = self.tokenizer.encode(text, other)
        if len(whole.ids) <= self.max_tokens:
            return whole.ids, whole.type_ids, False
        if other is None:
            keep = self.max_tokens - 1
            return whole.ids[:keep] + whole.ids[-1:], whole.type_ids[:keep] + whole.type_ids[-1:], True
        lengths = [len(self.tokenizer.encode(part, add_special_tokens=False).ids) for part in (text, other)]
        kept = list(lengths)
        while sum(kept) > self.max_tokens - (len(whole.ids) - sum(lengths)):
            # Of two of one length, the one that was the shorter: so the tokenizers library, and what is built on it.
            first = kept[0] > kept[1] or (kept[0] == kept[1] and lengths[0] <= lengths[1])
            kept[0 if first else 1] -= 1
        # The place of each token: those of the first text begin after one token of the tokenizer's own.
        second = len(whole.ids) - 1 - lengths[1]
        out = set(range(1 + kept[0], 1 + lengths[0])) | set(range(second + kept[1], second + lengths[1]))
        keep = [place for place in range(len(whole.ids)) if place not in out]
        return [whole.ids[place] for place in keep], [whole.type_ids[place] for place in keep], True

    def linear(self, x, name):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, x, name):
        x = x - x.mean(axis=-1, keepdims=True)
        epsilon = self.config.get("layer_norm_eps", 1e-7 if self.family == "deberta-v2" else 1e-12)
        x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon)
        return x * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def by_head(self, rows):
        return rows.reshape(len(rows), self.heads, -1).swapaxes(0, 1)

    def buckets(self, count):
        """MPNet's bucket of each key's distance from each query."""
        distance = np.arange(count)[None, :] - np.arange(count)[:, None]
        half = self.config["relative_attention_num_buckets"] // 2
        nearest = half // 2
        far = np.abs(distance)
        grown = np.log(np.maximum(far, 1) / nearest) / np.log(128 / nearest) * (half - nearest)
        number = np.where(far < nearest, far, np.minimum(nearest + (grown + 1e-9).astype(int), half - 1))
        return number + half * (distance > 0)

    def distances(self, count):
        """DeBERTa's: the state of each query's distance from each key, and half their number."""
        distance = np.arange(count)[:, None] - np.arange(count)[None, :]
        greatest = self.config.get("max_relative_positions", -1)
        greatest = greatest if greatest > 0 else self.config["max_position_embeddings"]
        buckets = self.config.get("position_buckets", -1)
        if buckets <= 0:
            return np.clip(distance + greatest, 0, 2 * greatest - 1), greatest
        middle = buckets // 2
        far = np.maximum(np.abs(distance), middle)
        grown = np.ceil(np.log(far / middle) / np.log((greatest - 1) / middle) * (middle - 1) - 1e-9) + middle
        bucket = np.where(np.abs(distance) <= middle, distance, np.sign(distance) * grown).astype(int)
        return np.clip(bucket + buckets, 0, 2 * buckets - 1), buckets

    def scores(self, q, k, layer):
        """What each token sees of each, before the softmax: [heads, tokens, tokens]."""
        scale = np.sqrt(q.shape[-1])
        if self.family == "mpnet":
            table = self.weights[f"{self.prefix}encoder.relative_attention_bias.weight"]
            return q @ k.swapaxes(1, 2) / scale + table[self.buckets(q.shape[1])].transpose(2, 0, 1)
        if self.family != "deberta-v2" or not self.config.get("relative_attention"):
            return q @ k.swapaxes(1, 2) / scale
        state, span = self.distances(q.shape[1])
        kinds = self.config["pos_att_type"]
        kinds = kinds.split("|") if isinstance(kinds, str) else kinds
        scale = np.sqrt(q.shape[-1] * (1 + len(kinds)))
        states = self.weights[f"{self.prefix}encoder.rel_embeddings.weight"][: 2 * span]
        if self.config.get("norm_rel_ebd") == "layer_norm":
            states = self.norm(states, f"{self.prefix}encoder.LayerNorm")
        shared = self.config.get("share_att_key", False)
        scores = q @ k.swapaxes(1, 2)
        rows, columns = np.indices(state.shape)
        if "c2p" in kinds:
            keys = self.by_head(self.linear(states, f"{layer}.attention.self.{'key_proj' if shared else 'pos_key_proj'}"))
            scores = scores + (q @ keys.swapaxes(1, 2))[:, rows, state]
        if "p2c" in kinds:
            name = "query_proj" if shared else "pos_query_proj"
            queries = self.by_head(self.linear(states, f"{layer}.attention.self.{name}"))
            scores = scores + (k @ queries.swapaxes(1, 2))[:, columns, state]
        return scores / scale

    def states(self, ids, types):
        """[tokens, hidden]"""
        p, w, names = self.prefix, self.weights, self.names
        x = w[f"{p}embeddings.word_embeddings.weight"][ids]
        if self.config.get("position_biased_input", True):
            x = x + w[f"{p}embeddings.position_embeddings.weight"][self.first : self.first + len(ids)]
        if self.config.get("type_vocab_size", 0) > 0:
            x = x + w[f"{p}embeddings.token_type_embeddings.weight"][types]
        x = self.norm(x, f"{p}embeddings.LayerNorm")
        for index in range(self.layers):
            layer = f"{p}{names['layer']}.{index}"
            q, k, v = (
                self.by_head(self.linear(x, f"{layer}.{names[part]}")) for part in ("query", "key", "value")
            )
            mixed = (softmax(self.scores(q, k, layer)) @ v).swapaxes(0, 1).reshape(len(ids), -1)
            x = self.norm(x + self.linear(mixed, f"{layer}.{names['mixed']}"), f"{layer}.{names['mixed_norm']}")
            inner = gelu(self.linear(x, f"{layer}.{names['up']}"))
            x = self.norm(x + self.linear(inner, f"{layer}.{names['down']}"), f"{layer}.{names['norm']}")
        return x

    def vector(self, ids):
        """The mean of the states of a text, in unit length."""
        mean = self.states(ids, [0] * len(ids)).mean(axis=0)
        return mean / np.linalg.norm(mean)

    def logits(self, ids, types):
        """[labels]"""
        dense, activation, out = HEADS[self.family]
        states = self.states(ids, types)
        pooled = states.mean(axis=0) if self.config.get("poq", {}).get("pooling") == "mean" else states[0]
        return self.linear(activation(self.linear(pooled, dense)), out)


class TextCnn(Encoder):
    """A TextCNN of a folder: config.json, tokenizer.json, model.safetensors."""

    def __init__(self, folder):
        folder = Path(folder)
        self.family = "text_cnn"
        self.config = json.loads((folder / "config.json").read_text())
        tensors = load_file(folder / "model.safetensors")
        self.weights = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
        self.max_tokens = self.config["max_position_embeddings"]
        self.read_tokenizer(folder)

    def logits(self, ids, types):
        """[1]"""
        words = self.weights["words.weight"][ids]
        found = []
        for width in self.config["widths"]:
            beyond = np.zeros((width // 2, words.shape[1]))
            padded = np.concatenate([beyond, words, beyond])
            windows = np.stack([padded[place : place + width].reshape(-1) for place in range(len(ids))])
            found.append(np.maximum(self.linear(windows, f"convolutions.{width}"), 0))
        found, types = np.concatenate(found, axis=1), np.array(types)
        first, second = found[types == 0].max(axis=0), found[types == 1].max(axis=0)
        return self.linear(self.norm(np.concatenate([first, second, np.abs(first - second)]), "norm"), "classifier")
