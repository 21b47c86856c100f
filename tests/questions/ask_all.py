"""Imports each data set into a home of its own and asks every question there.

usage: ask_all.py --haechi PROGRAM --data DATA --demo DEMO --work DIR --questions FILE... --answers FILE

A question over the demo hospital names its patient by what the record holds (`pick`); gold.py finds it. A set whose data
is not here is left out, and said so.
"""
import argparse
import glob
import json
import os
import subprocess
import sys

import gold
import score


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("haechi", "work", "answers"):
        args.add_argument(f"--{name}", required=True)
    args.add_argument("--data")
    args.add_argument("--demo", required=True)
    args.add_argument("--questions", nargs="+", required=True)
    args = args.parse_args()
    os.makedirs(args.work, exist_ok=True)

    scorer = score.Scorer(args.data, args.demo)
    by_set = {}
    for path in args.questions:
        for question in score.read_jsonl(path):
            by_set.setdefault(question["dataset"], []).append(question)
    with open(args.answers, "w", encoding="utf-8") as answers:
        for dataset, questions in sorted(by_set.items()):
            inputs = [os.path.join(args.demo, "fhir")] if dataset == "demo" else here(args.data, dataset)
            if not inputs:
                print(f"skipped: {dataset} is not here ({len(questions)} questions)")
                continue
            name = dataset.replace("/", "-")
            home = os.path.join(args.work, f"home-{name}")
            run([args.haechi, "import", "--home", home, "--json", *inputs])
            asked = os.path.join(args.work, f"asked-{name}.jsonl")
            with open(asked, "w", encoding="utf-8") as lines:
                for question in questions:
                    if question["gold"] is None:
                        gold.fill(question, scorer.charts(dataset))
                    if question["patient"] is not None:
                        row = {"id": question["id"], "patient": question["patient"], "question": question["question"]}
                        lines.write(json.dumps(row, ensure_ascii=False) + "\n")
            out = asked.replace("asked-", "answers-")
            run([args.haechi, "bench", "ask", "--home", home, "--questions", asked, "--answers", out, "--now", "2026-11-24T09:00:00+09:00", "--json"])
            with open(out, encoding="utf-8") as lines:
                answers.write(lines.read())


def here(data, dataset):
    """A data set is a folder below DATA, or the beginning of file names."""
    if not data:
        return []
    path = os.path.join(data, dataset)
    return [path] if os.path.isdir(path) else sorted(glob.glob(path + "*"))


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} failed: {done.stderr}")


if __name__ == "__main__":
    main()
