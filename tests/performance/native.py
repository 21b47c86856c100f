"""How much slower the build for every processor is than one for this processor alone. Started by tests/performance/native.

Both run the same samples in turn, as in race.py, and medians are compared within one placement; those of samples during which
others worked count only where there are no better. The kernels choose their instructions when the program starts, so the two
should be alike. The exit status is 1 if the shipped build is more than 5 % slower."""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

from race import SETTLE_S, Runner, measured

AT_MOST = 0.05


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("examples", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("native", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("model")
    arguments.add_argument("--prompt", type=int, default=512, metavar="N", help="tokens of the prompt (512)")
    arguments.add_argument("--generate", type=int, default=64, metavar="N", help="tokens to generate (64)")
    arguments.add_argument("--rounds", type=int, default=7, metavar="N", help="samples of each build (7)")
    arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    given = arguments.parse_args()
    options = [given.model, "--threads", str(given.threads), "--context", str(given.prompt + given.generate + 8)]
    builds = {"shipped": given.examples, "native": given.native}
    runners = {name: Runner(name, [folder / "bench", *options]) for name, folder in builds.items()}
    samples = []
    try:
        for runner in runners.values():
            runner.sample(given.prompt, 4)  # pages and caches are warm after it
        for round_ in range(given.rounds):
            for name in sorted(runners, reverse=round_ % 2 == 1):
                time.sleep(SETTLE_S)
                answer, where = measured(given, runners[name], given.prompt, False)
                samples.append({
                    "build": name, "placement": where["placement"],
                    "prefill": given.prompt / answer["prefill_s"], "decode": given.generate / answer["decode_s"],
                })
    finally:
        for runner in runners.values():
            runner.close()
    calm = [sample for sample in samples if sample["placement"] != "busy"]
    if {sample["build"] for sample in calm} == set(builds):
        samples = calm
    else:
        print("others worked during every sample of a build: the figures say little", file=sys.stderr)
    worst = report(samples)
    sys.exit(worst > AT_MOST)


def report(samples):
    """Prints the medians; what the shipped build loses at most, in the placement that has the most samples of both."""
    losses = {}
    for place in sorted({sample["placement"] for sample in samples}):
        for figure in ("prefill", "decode"):
            found = {
                build: [s[figure] for s in samples if (s["build"], s["placement"]) == (build, place)]
                for build in ("shipped", "native")
            }
            if not all(found.values()):
                continue
            medians = {build: statistics.median(values) for build, values in found.items()}
            loss = 1 - medians["shipped"] / medians["native"]
            fewest = min(len(values) for values in found.values())
            losses.setdefault((fewest, place), []).append(loss)
            print(f"{place:8} {figure:8} shipped {medians['shipped']:8.1f} ({len(found['shipped'])})  "
                  f"native {medians['native']:8.1f} ({len(found['native'])})  slower by {loss * 100:5.1f} %")
    if not losses:
        sys.exit("no placement has samples of both builds")
    return max(losses[max(losses)])


if __name__ == "__main__":
    main()
