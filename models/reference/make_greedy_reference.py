"""Writes greedy continuations of a GGUF model by `network.py`, to hold `Decoder` to.

Prompts become tokens, and tokens text, by llama.cpp (PyPI `xllamacpp`); the continuation is NumPy's in float64.

    python make_greedy_reference.py MODEL.gguf MODEL.json
"""

import json
import sys
import urllib.request
from pathlib import Path

import xllamacpp
from network import Network, continued, write

STEPS = 32
PASSAGE = (
    "Lichens are partnerships of a fungus with algae or cyanobacteria. The fungus gives shelter and water, its partner "
    "makes sugars from light. Some lichens grow less than 1 mm a year, and one in Greenland is thought to be 8,600 years old."
)
TEXTS = [
    "The capital of France is",
    "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n",
    "1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233,",
    "La ville de Genève est située à l'extrémité sud-ouest du lac Léman, où",
    "日本の首都は",
    "SELECT name, COUNT(*) FROM orders WHERE total > 100.50 GROUP BY",
    "😀 emoji 👩‍👩‍👧 families and ½ cups of naïve café “quotes” — dashes…",
    "  leading   spaces\tand\ttabs\n\n\nand blank <table> lines I'LL we've  12345 ",
    PASSAGE + "\n\nQuestion: How old is a lichen in Greenland?\nAnswer:",
    PASSAGE + "\n\nQuestion: What does the fungus give?\nAnswer:",
]
MESSAGES = [
    [{"role": "user", "content": f"{PASSAGE}\n\nHow old is a lichen in Greenland thought to be?"}],
    [{"role": "system", "content": "Answer in one word."}, {"role": "user", "content": "What is the capital of Japan?"}],
]


def serve(path):
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_ctx = 1024
    parameters.n_parallel = 1
    return xllamacpp.Server(parameters)


def ask(server, place, body):
    request = urllib.request.Request(
        server.listening_address + place, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    return json.loads(urllib.request.urlopen(request).read())


def main(source, target):
    server = serve(source)
    network = Network(source, keep_all=True)
    has_template = "tokenizer.chat_template" in network.fields
    prompts = [{"text": text} for text in TEXTS]
    if has_template:
        prompts = prompts[:8] + [{"messages": messages} for messages in MESSAGES]
    names = {"<|im_end|>", "<|endoftext|>", "<eos>", "<end_of_turn>"}
    ends = {network.fields["tokenizer.ggml.eos_token_id"]}
    ends |= {index for index, token in enumerate(network.fields["tokenizer.ggml.tokens"]) if token in names}
    cases = []
    for prompt in prompts:
        if "text" in prompt:
            body = {"content": prompt["text"], "add_special": True, "parse_special": False}
        else:
            rendered = ask(server, "/apply-template", {"messages": prompt["messages"]})["prompt"]
            body = {"content": rendered, "add_special": True, "parse_special": True}
        prompt_ids = ask(server, "/tokenize", body)["tokens"]
        case = continued(network, prompt_ids, ends, STEPS)
        text = ask(server, "/detokenize", {"tokens": case["tokens"]})["content"]
        cases.append({"prompt": prompt, "layers": None, **case, "text": text})
    write(target, Path(__file__).name, source, cases)


if __name__ == "__main__":
    main(*sys.argv[1:])
