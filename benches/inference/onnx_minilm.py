#!/usr/bin/env python3
"""Writes all-MiniLM-L6-v2 as ONNX in float32, in the layout that Transformers.js reads, from the weights in safetensors.

The graph is that of the usual export of a BERT encoder: inputs input_ids, attention_mask and token_type_ids, output
last_hidden_state, weights as initialisers, the exact GELU by Erf. onnxruntime knows its forms and fuses them: each layer
becomes attention, GELU with its bias, and two normalisations with the sums before them.

    pip install -r benches/inference/requirements.txt
    python3 benches/inference/onnx_minilm.py MODEL_FOLDER OUTPUT_FOLDER
"""

import json
import math
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# In later ones onnxruntime no longer knows the attention of BERT, and leaves it in pieces.
OPSET = 11
IR_VERSION = 7
COPIED = ("config.json", "tokenizer.json")
# Transformers.js asks for it; the weights that are known come without.
TOKENIZER_CONFIG = {"tokenizer_class": "BertTokenizer"}


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] == "F32":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return tensors


class Graph:
    """Nodes and initialisers; each method adds one operation and gives the name of its output."""

    def __init__(self, weights):
        self.weights = weights
        self.nodes = []
        self.initialisers = {}
        self.shapes = []

    def constant(self, name, values):
        if name not in self.initialisers:
            self.initialisers[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def weight(self, name):
        return self.constant(name, self.weights[name])

    def number(self, value):
        return self.constant(f"number_{value}", np.array(value, np.float32))

    def op(self, kind, *inputs, **attributes):
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def linear(self, x, name):
        # safetensors has [out, in], and MatMul wants [in, out].
        matrix = self.constant(f"{name}.weight.T", self.weights[f"{name}.weight"].T)
        return self.op("Add", self.op("MatMul", x, matrix), self.weight(f"{name}.bias"))

    def norm(self, x, name, epsilon):
        centred = self.op("Sub", x, self.op("ReduceMean", x, axes=[-1]))
        variance = self.op("ReduceMean", self.op("Pow", centred, self.number(2.0)), axes=[-1])
        deviation = self.op("Sqrt", self.op("Add", variance, self.number(epsilon)))
        scaled = self.op("Mul", self.op("Div", centred, deviation), self.weight(f"{name}.weight"))
        return self.op("Add", scaled, self.weight(f"{name}.bias"))

    def gelu(self, x):
        erf = self.op("Erf", self.op("Div", x, self.number(math.sqrt(2))))
        return self.op("Mul", self.op("Mul", x, self.op("Add", erf, self.number(1.0))), self.number(0.5))


def embeddings(graph, config):
    positions = graph.constant("positions", np.arange(config["max_position_embeddings"], dtype=np.int64)[None])
    integers = {name: graph.constant(name, np.array([value], np.int64)) for name, value in (("zero", 0), ("one", 1))}
    seq = graph.op("Gather", graph.op("Shape", "input_ids"), integers["one"], axis=0)
    position_ids = graph.op("Slice", positions, integers["zero"], seq, integers["one"])
    table = lambda name, ids: graph.op("Gather", graph.weight(f"embeddings.{name}_embeddings.weight"), ids, axis=0)
    x = graph.op("Add", table("word", "input_ids"), table("token_type", "token_type_ids"))
    x = graph.op("Add", x, table("position", position_ids))
    # Where onnxruntime cannot follow the shape, it does not fuse.
    shape = ["batch", "seq", config["hidden_size"]]
    graph.shapes.append(helper.make_tensor_value_info(x, TensorProto.FLOAT, shape))
    return graph.norm(x, "embeddings.LayerNorm", config["layer_norm_eps"])


def hidden_scores(graph):
    """Added to the scores of padding: [batch, 1, 1, seq]."""
    mask = graph.op("Unsqueeze", graph.op("Unsqueeze", "attention_mask", axes=[1]), axes=[2])
    mask = graph.op("Cast", mask, to=TensorProto.FLOAT)
    return graph.op("Mul", graph.op("Sub", graph.number(1.0), mask), graph.number(-10000.0))


def layer(graph, x, index, config, hidden):
    name = f"encoder.layer.{index}"
    heads, width = config["num_attention_heads"], config["hidden_size"]
    split = graph.constant("split", np.array([0, 0, heads, width // heads], np.int64))
    join = graph.constant("join", np.array([0, 0, width], np.int64))

    def head(part, order):
        return graph.op("Transpose", graph.op("Reshape", graph.linear(x, f"{name}.attention.self.{part}"), split), perm=order)

    query, key, value = head("query", [0, 2, 1, 3]), head("key", [0, 2, 3, 1]), head("value", [0, 2, 1, 3])
    scores = graph.op("Div", graph.op("MatMul", query, key), graph.number(math.sqrt(width // heads)))
    shares = graph.op("Softmax", graph.op("Add", scores, hidden), axis=3)
    mixed = graph.op("Transpose", graph.op("MatMul", shares, value), perm=[0, 2, 1, 3])
    mixed = graph.linear(graph.op("Reshape", mixed, join), f"{name}.attention.output.dense")
    epsilon = config["layer_norm_eps"]
    x = graph.norm(graph.op("Add", mixed, x), f"{name}.attention.output.LayerNorm", epsilon)
    inner = graph.gelu(graph.linear(x, f"{name}.intermediate.dense"))
    return graph.norm(graph.op("Add", graph.linear(inner, f"{name}.output.dense"), x), f"{name}.output.LayerNorm", epsilon)


def build(weights, config):
    graph = Graph(weights)
    x = embeddings(graph, config)
    hidden = hidden_scores(graph)
    for index in range(config["num_hidden_layers"]):
        x = layer(graph, x, index, config, hidden)
    graph.nodes[-1].output[0] = "last_hidden_state"
    shape = ["batch", "seq"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape)
              for name in ("input_ids", "attention_mask", "token_type_ids")]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, config["hidden_size"]])
    body = helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, [output], list(graph.initialisers.values()),
                             value_info=graph.shapes)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = map(Path, sys.argv[1:])
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    onnx.save(build(read_safetensors(source / "model.safetensors"), config), target / "onnx/model.onnx")
    for name in COPIED:
        shutil.copyfile(source / name, target / name)
    (target / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG), encoding="utf-8")


if __name__ == "__main__":
    main()
