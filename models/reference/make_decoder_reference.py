"""Writes smollm2-135m-instruct.json: greedy continuations of SmolLM2 by `network.py`, to hold `Decoder` to.

The `tokenizers` package, built here from the GGUF's metadata, makes tokens of the prompts and texts of the tokens.

    python make_decoder_reference.py SmolLM2-135M-Instruct.Q4_1.gguf smollm2-135m-instruct.json
"""

import sys
from pathlib import Path

from network import Network, continued, write
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
    network = Network(source, keep_all=True)
    tokenizer = build_tokenizer(network.fields)
    ends = {network.fields["tokenizer.ggml.eos_token_id"]}
    ends |= {tokenizer.token_to_id(name) for name in ("<|im_end|>", "<|endoftext|>")}
    cases = []
    for prompt, layers in CASES:
        text = chat(prompt["messages"]) if "messages" in prompt else prompt["text"]
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        case = continued(network, ids, ends, STEPS, layers)
        text = tokenizer.decode(case["tokens"], skip_special_tokens=True)
        cases.append({"prompt": prompt, "layers": layers, **case, "text": text})
    write(target, Path(__file__).name, source, cases)


if __name__ == "__main__":
    main(*sys.argv[1:])
