#!/usr/bin/env python3
"""Writes the frozen questions with their gold answers, computed by gold.py from the raw resources.

usage: build_frozen.py --data DIR [--demo DIR] [--out frozen.jsonl] [--check]

DIR of --data holds fhir/synthea-2019 and the other folders; DIR of --demo is what the demo hospital's generator wrote
(`--patients 12 --seed 7`). Questions over the demo hospital are kept with their query, so that their gold follows the
generator: without --demo they are written with "gold": null and score.py computes them. --check compares with the
file that stands instead of writing it.
"""
import argparse
import glob
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gold
from asked_charts import BLOCKS
try:
    from asked_demo import DEMO
except ImportError:
    DEMO = []

HERE = os.path.dirname(os.path.abspath(__file__))


def dataset_files(data, demo, dataset):
    """The files of one dataset: a folder, a prefix of files, or the demo hospital's FHIR folder."""
    if dataset == "demo":
        return [os.path.join(demo, "fhir")] if demo else []
    path = os.path.join(data, dataset)
    return [path] if os.path.isdir(path) else sorted(glob.glob(path + "*"))


def load_dataset(data, demo, dataset):
    charts = {}
    for path in dataset_files(data, demo, dataset):
        charts.update(gold.load(path))
    return charts


def rows(data, demo):
    cache, out = {}, []

    def charts(dataset):
        if dataset not in cache:
            cache[dataset] = load_dataset(data, demo, dataset)
        return cache[dataset]

    n = 0
    for dataset, pid, questions in BLOCKS:
        chart = charts(dataset)[pid]
        for row in questions:
            n += 1
            lang, kind, question, query = row[:4]
            answer = gold.evaluate(query, chart)
            if answer["abstain"] != (kind == "unanswerable"):
                raise SystemExit(f"{question!r}: kind {kind}, but the query gives {answer}")
            out.append({"id": f"f{n:03}", "dataset": dataset, "patient": pid, "lang": lang, "question": question,
                        "kind": kind, "query": query, "gold": answer, "note": row[4] if len(row) > 4 else ""})
    for n, row in enumerate(DEMO, 1):
        lang, kind, pick, question, query = row[:5]
        more = row[5] if len(row) > 5 else {}
        entry = {"id": f"d{n:03}", "dataset": "demo", "patient": None, "pick": pick, "lang": lang, "question": question,
                 "kind": kind, "query": query, "gold": None, "note": more.get("note", "")}
        if "words" in more:  # a name that only the data can tell stands in the question
            entry |= {"asked": question, "words": more["words"]}
        if demo:
            gold.fill(entry, charts("demo"))
        out.append(entry)
    return out


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--data", required=True)
    args.add_argument("--demo")
    args.add_argument("--out", default=os.path.join(HERE, "frozen.jsonl"))
    args.add_argument("--check", action="store_true")
    args = args.parse_args()
    lines = [json.dumps(r, ensure_ascii=False, default=str) for r in rows(args.data, args.demo)]
    if args.check:
        with open(args.out, encoding="utf-8") as handle:
            old = handle.read().splitlines()
        bad = [(a, b) for a, b in zip(old, lines) if a != b and json.loads(a)["dataset"] != "demo"]
        for a, b in bad:
            print(f"- {a}\n+ {b}")
        print(f"{len(lines) - len(bad)} the same, {len(bad)} differ")
        sys.exit(bool(bad) or len(old) != len(lines))
    with open(args.out, "w", encoding="utf-8") as handle:
        handle.write("\n".join(lines) + "\n")
    print(f"{len(lines)} questions in {args.out}")


if __name__ == "__main__":
    main()
