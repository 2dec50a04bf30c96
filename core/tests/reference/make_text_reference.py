"""Writes text.json: scores of text pairs by independent implementations, to hold `poq_core::text` to.

SQuAD's normalisation, F1 and exact match come from the copy of the official 2.0 script in `transformers` 4 (read as one
file, so that nothing else of that package is needed), ROUGE-L from `rouge_score`, chrF from `sacrebleu`.

    pip install rouge_score==0.1.2 sacrebleu==2.6.0
    pip download --no-deps transformers==4.57.3
    python make_text_reference.py transformers-4.57.3-py3-none-any.whl text.json
"""

import json
import random
import sys
import types
import zipfile

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import CHRF

SEED = 20240607
RANDOM_PAIRS = 260

# (prediction, references)
CASES = [
    ("", [""]),
    ("", ["the"]),
    ("a", ["an"]),
    ("the a an", ["", "The."]),
    ("", ["Paris"]),
    ("Paris", [""]),
    ("Paris", ["", "paris!"]),
    ("?!...", ["--"]),
    ("!!!", ["word"]),
    ("...the...", ["a"]),
    ("   ", ["\t\n"]),
    ("The Cat sat.", ["cat sat"]),
    ("the cat the cat", ["cat"]),
    ("cat", ["the cat the cat"]),
    ("x x x y", ["x y y", "x x"]),
    ("a_b", ["ab", "b"]),
    ("a_b the_an", ["b"]),
    ("_a_", ["a"]),
    ("a1 an2 the3", ["1 2 3", "a1 an2 the3"]),
    ("1a", ["1"]),
    ("the-an", ["thean", ""]),
    ("the-cat", ["cat", "thecat"]),
    ("it's the dog's", ["its dogs"]),
    ("a's", ["s", "as"]),
    ("U.S.A.", ["usa", "U S A"]),
    ("1,000.50", ["100050", "1000.50"]),
    ("$5 million", ["5 million dollars"]),
    ("an apple a day", ["apple day"]),
    ("THE THE", ["the"]),
    ("\u201cthe\u201d cat", ["cat", "\u201c \u201d cat"]),
    ("the\u2019s", ["\u2019s"]),
    ("\u2014the\u2014", ["\u2014 \u2014", "\u2014\u2014"]),
    ("caf\u00e9", ["cafe\u0301", "CAF\u00c9"]),
    ("a\u0301", ["\u0301", "a\u0301"]),
    ("the\u0301 cat", ["\u0301 cat", "cat"]),
    ("\u00c5ngstr\u00f6m", ["a\u030angstro\u0308m"]),
    ("\u0905\u0928\u093e\u0930 the\u093e", ["\u0905\u0928\u093e\u0930 \u093e"]),
    ("\u0915\u093e a\u093f", ["\u0915\u093e \u093f"]),
    ("\u039f\u0394\u039f\u03a3 \u03a3", ["\u03bf\u03b4\u03bf\u03c2 \u03c3"]),
    ("\u03a3\u03a3.", ["\u03c3\u03c2"]),
    ("A\u03a3 a\u03a3b A\u0301\u03a3", ["a\u03c2 a\u03c3b a\u0301\u03c2"]),
    ("\u0130stanbul", ["istanbul", "i\u0307stanbul"]),
    ("\u0130", ["i"]),
    ("Stra\u00dfe", ["strasse", "STRA\u1e9eE"]),
    ("\ufb01re \ufb02ag", ["fire flag", "\ufb01re \ufb02ag"]),
    ("\uff34\uff28\uff25 \uff43\uff41\uff54", ["\uff54\uff48\uff45 \uff23\uff21\uff34", "cat"]),
    ("a\uff0cb\u3002the", ["\uff0cb\u3002"]),
    ("\U0001f600 the \U0001f600", ["\U0001f600 \U0001f600"]),
    ("\U0001f468\u200d\U0001f469\u200d\U0001f467", ["\U0001f468\U0001f469\U0001f467"]),
    ("the\U0001f600", ["\U0001f600"]),
    ("one\u00a0two the\u00a0three", ["one two three"]),
    ("a\u2003b\u3000c\u1680d", ["b c d"]),
    ("x\u001cy\u001dz\u001ev\u001fw", ["x y z v w"]),
    ("\u001cthe\u001f", [""]),
    ("x\u0085y", ["x y"]),
    ("x\u200by", ["x y", "xy"]),
    ("the\u200bcat", ["\u200bcat", "cat"]),
    ("x\u180ey\u2060z\ufeffw", ["xyzw"]),
    ("x\u2028y\u2029z\u000bv\u000cw", ["x y z v w"]),
    ("\u6771\u4eac the\u90fd", ["\u6771\u4eac the\u90fd", "\u90fd"]),
    ("\u6771\u4eac\u90fd", ["\u4eac\u90fd"]),
    ("\u2167 a\u2167 the\u2177", ["\u2177 a\u2177", "VIII"]),
    ("a\u00b2 the\u2460 an\u00bd", ["\u00b2 \u2460 \u00bd", "a\u00b2"]),
    ("a\u0663", ["\u0663"]),
    ("a\u02b0 the\u1d43", ["\u02b0"]),
    ("a\u203fb a\u20acb", ["\u203fb \u20acb"]),
    ("\u01c5 \u01c4", ["\u01c6 \u01c6"]),
    ("\u212a\u212b", ["k\u00e5"]),
    ("\u1e9e\u1fb3\u1fbc", ["\u00df\u1fb3\u1fb3"]),
    ("\u10a0\u13a0\ua640", ["\u2d00\uab70\ua641"]),
    ("\U00010400\U0001e900", ["\U00010428\U0001e922"]),
    ("x", ["x"]),
    ("ab", ["ab"]),
    ("ab", ["abc"]),
    ("abc", ["ab c", "cba"]),
    ("abcde", ["abcde"]),
    ("abcde", ["abcdef"]),
    ("abcdef", ["abcde"]),
    ("a b c d e f g", ["abcdefg"]),
    ("aaaaaa", ["aaa"]),
    ("aaa", ["aaaaaaaaaaaa"]),
    ("abcabcabc", ["abc"]),
    ("x", ["a long reference that shares nothing"]),
    ("short", ["a very much longer reference which holds the word short somewhere in it"]),
    ("police killed the gunman", ["police kill the gunman", "the gunman kill police"]),
    ("the gunman police killed", ["police killed the gunman"]),
    ("one two three four", ["four three two one", "two four"]),
    ("word-word word_word word.word", ["word word word word word word"]),
    ("na\u00efve fa\u00e7ade", ["na ve fa ade", "naive facade"]),
    ("Line one\nline two", ["line one line two"]),
]

WORDS = (
    "a an the The AN A tHe a1 1a the2 cat cats Paris U.S. it's do-or-die x_y 1999 3.14 1,000 $5 50% e.g. "
    "caf\u00e9 cafe\u0301 \u0130zmir Stra\u00dfe \u039f\u0394\u039f\u03a3 \u03a3\u03a3 \u6771\u4eac \u0928\u092e\u0938\u094d\u0924\u0947 "
    "\u2167 \ufb03 \uff21\uff22 \U0001f600 \u00bd river bridge built in by of and was stone water year king"
).split()
SEPARATORS = [" "] * 12 + [
    "", ", ", ". ", "-", "_", "\u2014", "\u00a0", "\u3000", "\n", "\t", "\u001c", "\u001e", "\u001f", "\u0085", "\u200b", "\u0301", "'", "\u2019",
]


def random_text(rng, words):
    return "".join(rng.choice(WORDS) + rng.choice(SEPARATORS) for _ in range(rng.randrange(words)))


def variant(rng, text):
    """`text` with a few characters dropped, doubled, exchanged or put in upper case."""
    out = []
    for character in text:
        chance = rng.random()
        if chance < 0.05:
            continue
        out.append(character.upper() if chance < 0.15 else character * 2 if chance < 0.18 else character)
    return "".join(out)


def random_pair(rng):
    prediction = random_text(rng, rng.choice([1, 3, 8, 20]))
    references = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        unrelated = rng.random() < 0.3
        references.append(random_text(rng, rng.choice([2, 8, 20])) if unrelated else variant(rng, prediction))
    return prediction, references


def load_squad(wheel):
    source = zipfile.ZipFile(wheel).read("transformers/data/metrics/squad_metrics.py").decode()
    # The two imports from within the package serve its other functions.
    source = source.replace("from ...models.bert import BasicTokenizer", "")
    source = source.replace("from ...utils import logging", "import logging")
    source = source.replace("logging.get_logger", "logging.getLogger")
    squad = types.ModuleType("squad_metrics")
    exec(compile(source, "squad_metrics.py", "exec"), squad.__dict__)
    return squad


def main(wheel, out):
    squad = load_squad(wheel)
    rouge = RougeScorer(["rougeL"], use_stemmer=False)
    chrf = CHRF(char_order=6, word_order=0, beta=2)
    rng = random.Random(SEED)
    rows = []
    for prediction, references in CASES + [random_pair(rng) for _ in range(RANDOM_PAIRS)]:
        answers = [{"text": reference} for reference in references]
        example = types.SimpleNamespace(qas_id="q", answers=answers)
        exact, f1 = squad.get_raw_scores([example], {"q": prediction})
        rows.append(
            {
                "prediction": prediction,
                "references": references,
                "normalized": squad.normalize_answer(prediction),
                "f1_first": float(squad.compute_f1(references[0], prediction)),
                "exact_first": bool(squad.compute_exact(references[0], prediction)),
                "f1": float(f1["q"]),
                "exact": bool(exact["q"]),
                "rouge_l": rouge.score_multi(references, prediction)["rougeL"].fmeasure,
                "chrf": chrf.sentence_score(prediction, references).score / 100,
            }
        )
    with open(out, "w", encoding="ascii") as file:
        file.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
