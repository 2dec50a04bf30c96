"""Writes stats.json: correlations of random vectors by SciPy, to hold `poq_core::stats` to.

    pip install scipy==1.17.1
    python make_stats_reference.py stats.json
"""

import json
import random
import sys
import warnings

from scipy.stats import kendalltau, pearsonr, spearmanr, t

SEED = 20240607


def vectors(rng, kind, length):
    x = [rng.gauss(0, 1) for _ in range(length)]
    y = [0.6 * value + rng.gauss(0, 1) for value in x]
    if kind == "ties in both":
        x, y = ([float(round(2 * value)) for value in side] for side in (x, y))
    elif kind == "ties in one":
        y = [float(value > 0) for value in y]
    elif kind == "large offset":
        x, y = [1000 + value for value in x], [-5000 + 0.01 * value for value in y]
    elif kind == "opposed":
        y = [-value for value in x]
    return x, y


def main(out):
    warnings.simplefilter("error")
    rng = random.Random(SEED)
    rows = []
    kinds = ["no ties", "ties in both", "ties in one", "large offset", "opposed"]
    for index in range(30):
        x, y = vectors(rng, kinds[index % len(kinds)], rng.choice([5, 8, 13, 40]))
        if len(set(x)) == 1 or len(set(y)) == 1:
            raise SystemExit("a constant vector: choose another seed")
        rows.append(
            {
                "x": x,
                "y": y,
                "pearson": float(pearsonr(x, y).statistic),
                "spearman": float(spearmanr(x, y).statistic),
                "kendall": float(kendalltau(x, y, variant="b").statistic),
            }
        )
    quantiles = [[degrees, float(t.ppf(0.975, degrees))] for degrees in (1, 2, 3, 4, 5, 6, 7, 9, 14, 30, 99, 4999, 10**6)]
    with open(out, "w", encoding="ascii") as file:
        lines = ",\n".join(json.dumps(row) for row in rows)
        file.write(f'{{"correlations": [\n{lines}\n],\n"student_t_975": {json.dumps(quantiles)}}}\n')


if __name__ == "__main__":
    main(*sys.argv[1:])
