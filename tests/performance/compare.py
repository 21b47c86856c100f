"""How far two sets of logits are apart: compare.py A B [--at-most E]

A is what B is measured against; both as logits.py writes them. With --at-most, the exit status is 1 if the relative error
exceeds E, or if B's first token differs where A is sure of it."""

import argparse
import sys
from pathlib import Path

import numpy

SURE = 5.0
"""A is sure of its first token where the second is so many times the position's error behind."""


def read(path):
    data = path.read_bytes()
    rows, vocabulary = (int(n) for n in numpy.frombuffer(data, "<u4", 2))
    return numpy.frombuffer(data, "<f4", offset=8).reshape(rows, vocabulary).astype(numpy.float64)


def measure(a, b):
    """The figures of one comparison, by name."""
    if a.shape != b.shape:
        sys.exit(f"A has {a.shape[0]} rows of {a.shape[1]}, B {b.shape[0]} of {b.shape[1]}")
    if not (numpy.isfinite(a).all() and numpy.isfinite(b).all()):
        sys.exit("there is a logit that is no finite number")
    error = numpy.sqrt(((a - b) ** 2).mean(axis=1))
    # A logit counts from its row's mean: adding the same to all changes nothing.
    size = numpy.sqrt(((a - a.mean(axis=1, keepdims=True)) ** 2).mean(axis=1))
    log = [x - numpy.logaddexp.reduce(x, axis=1, keepdims=True) for x in (a, b)]
    two = numpy.partition(a, -2, axis=1)[:, -2:]
    sure = two[:, 1] - two[:, 0] > SURE * error
    agree = a.argmax(axis=1) == b.argmax(axis=1)
    return {
        "positions": len(a),
        "top-1 agreement": agree.mean(),
        "mean KL": (numpy.exp(log[0]) * (log[0] - log[1])).sum(axis=1).mean(),
        "relative error": numpy.sqrt((error**2).mean() / (size**2).mean()),
        "worst position's": (error / size).max(),
        "sure positions": sure.mean(),
        "agreement where sure": agree[sure].mean() if sure.any() else float("nan"),
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("a", type=Path)
    arguments.add_argument("b", type=Path)
    arguments.add_argument("--at-most", type=float, metavar="E")
    given = arguments.parse_args()
    figures = measure(read(given.a), read(given.b))
    for name, figure in figures.items():
        print(f"{name:22} {figure:.6g}")
    if given.at_most is not None:
        good = figures["relative error"] <= given.at_most and not figures["agreement where sure"] < 1
        sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
