"""The native engine against llama.cpp on one model file, sample by sample in turn. Started by tests/performance/race.

Each engine runs in a process of its own, loaded once and idle while the other works. Before and after each sample a probe
tells where the machine has put the two processors (drivers/examples/placement.rs); a sample whose two probes differ is of no
placement, one during which others worked is `busy`, and medians are compared within one placement only. llama.cpp runs with
and without flash attention and is measured by the better one of each figure.

With --cycles only one engine is in memory at a time, for models of which two do not fit: each is loaded, measured and ended
in turn. Time to load, peak memory, and the part of the memory's bandwidth that decoding uses are then measured as well."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

OURS, GREEDY = "haechi", "haechi greedy"
PEERS = {"llama.cpp fa 0": [], "llama.cpp fa 1": ["--flash"]}
SETTLE_S = 0.1
"""Between two samples: threads that spin for work have gone to sleep by then."""
WARM_TOKENS = 32
"""Read before the first sample of a load: all pages of the weights are there then, of experts most."""
OTHERS = 0.05
"""A sample is `busy` if others had more than this part of all processors during it."""
TICKS = os.sysconf("SC_CLK_TCK")


class Runner:
    """One loaded engine that answers `PROMPT GENERATE` with seconds."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.loaded = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def sample(self, prompt, generate, greedy=False):
        self.process.stdin.write(f"{prompt} {generate}{' greedy' if greedy else ''}\n")
        self.process.stdin.flush()
        return self.answer()

    def peak_bytes(self):
        """The most memory that the process held, its file's mapped pages among it (proc(5), VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def placement(examples):
    """Nanoseconds and tag, or no tag where there are no two processors to probe."""
    probe = subprocess.run([examples / "placement"], capture_output=True, text=True)
    words = probe.stdout.split()
    return (float(words[0]), words[1]) if len(words) == 2 else (0.0, "unknown")


def busy_seconds():
    """Processor time of everybody, and what the host took from this machine (proc(5), all but idle and waiting)."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def own_seconds(process):
    """Processor time of one process so far (proc(5), fields utime and stime)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def beside_others(process, sample):
    """What `sample` answers, and which part of all processors others had while `process` worked on it."""
    started, busy, own = time.perf_counter(), busy_seconds(), own_seconds(process)
    answer = sample()
    others = (busy_seconds() - busy) - (own_seconds(process) - own)
    return answer, round(others / (time.perf_counter() - started) / os.cpu_count(), 3)


def measured(given, runner, prompt, greedy):
    """One sample: the answer, both probes, and the placement that it counts for."""
    before = placement(given.examples)
    answer, others = beside_others(runner.process, lambda: runner.sample(prompt, given.generate, greedy))
    after = placement(given.examples)
    tag = before[1] if before[1] == after[1] else "mixed"
    return answer, {
        "placement": "busy" if others > OTHERS else tag, "probe_ns": [before[0], after[0]], "others": others,
    }


def commands(given, context):
    common = [given.model, "--threads", str(given.threads), "--context", str(context)]
    ours = [given.examples / "bench", *common, *(["--level", given.level] if given.level else [])]
    if given.high:
        ours.append("--high")
    peer = [sys.executable, Path(__file__).with_name("llama_samples.py"), *common]
    return {OURS: ours, **{name: [*peer, *options] for name, options in PEERS.items()}}


def race(given):
    context = max(given.prompts) + given.generate + 8
    runners = {name: Runner(name, command) for name, command in commands(given, context).items()}
    turns = [(OURS, OURS, False), (GREEDY, OURS, True), *((name, name, False) for name in PEERS)]
    samples = []
    try:
        for name, runner in runners.items():
            runner.sample(given.prompts[0], 4)  # pages and caches are warm after it
        for round_ in range(given.rounds):
            for prompt in given.prompts:
                # Each round begins with another one, so that nobody always follows the same.
                for name, runner, greedy in turns[round_ % len(turns):] + turns[: round_ % len(turns)]:
                    time.sleep(SETTLE_S)
                    answer, where = measured(given, runners[runner], prompt, greedy)
                    samples.append({
                        "engine": name, "round": round_, "prompt": prompt, **where,
                        "prefill": prompt / answer["prefill_s"],
                        "decode": given.generate / answer["decode_s"],
                    })
                    print(".", end="", file=sys.stderr, flush=True)
    finally:
        loaded = {name: runner.loaded for name, runner in runners.items()}
        for runner in runners.values():
            runner.close()
    print(file=sys.stderr)
    return loaded, samples


def bandwidth(given):
    """10^9 bytes a second that the threads read from memory together, and in which placement."""
    before = placement(given.examples)[1]
    probe = [given.examples / "bench", "--bandwidth", "--threads", str(given.threads)]
    found = json.loads(subprocess.run(probe, capture_output=True, text=True, check=True).stdout)["gb_per_s"]
    return found, before if before == placement(given.examples)[1] else "mixed"


def cycles(given):
    """As `race`, with one engine in memory at a time; each round's samples follow one load."""
    context = max(given.prompts) + given.generate + 8
    loaded, samples, read = {}, [], []
    turns = list(commands(given, context).items())
    for cycle in range(given.cycles):
        for name, command in turns[cycle % len(turns):] + turns[: cycle % len(turns)]:
            read.append(bandwidth(given))
            runner = Runner(name, command)
            runner.sample(WARM_TOKENS, 4)
            for round_ in range(given.rounds):
                for prompt in given.prompts:
                    time.sleep(SETTLE_S)
                    answer, where = measured(given, runner, prompt, greedy=False)
                    samples.append({
                        "engine": name, "round": cycle * given.rounds + round_, "prompt": prompt, **where,
                        "prefill": prompt / answer["prefill_s"],
                        "decode": given.generate / answer["decode_s"],
                    })
                    print(".", end="", file=sys.stderr, flush=True)
            loaded.setdefault(name, []).append({**runner.loaded, "peak_bytes": runner.peak_bytes()})
            runner.close()
    print(file=sys.stderr)
    return loaded, samples, read


def say_cycles(given, loaded, samples, read):
    """Loading, memory, and our decoding as a part of the bandwidth measured in the same placement."""
    for name, found in loaded.items():
        load = statistics.median(one["load_s"] for one in found)
        peak = max(one["peak_bytes"] for one in found)
        print(f"{name:16} load {load:6.1f} s, peak {peak / 1e9:.2f} GB ({len(found)} loads)")
    ours = loaded[OURS][0]
    print(f"{OURS:16} packed weights {ours['weight_bytes'] / 1e9:.3f} GB, {8 * ours['weight_bytes'] / ours['weights']:.3f} bits each")
    for tag in sorted({tag for _, tag in read}):
        limit = statistics.median(gb for gb, where in read if where == tag)
        for prompt in given.prompts:
            found = [s["decode"] for s in samples if (s["engine"], s["prompt"], s["placement"]) == (OURS, prompt, tag)]
            if found:
                # On average half of what is generated stands behind the prompt.
                step = ours["step_bytes"] + ours["position_bytes"] * (prompt + given.generate / 2)
                used = statistics.median(found) * step / 1e9
                print(f"{tag:6} decoding reads {used:.1f} of {limit:.1f} GB/s, {used / limit:.0%} "
                      f"({step / 1e6:.0f} MB a token)")


def summary(samples):
    """One row for each placement, prompt and figure: medians, how many samples, and our ratio to the peer's better one."""
    rows = []
    for place in sorted({sample["placement"] for sample in samples}):
        for prompt in sorted({sample["prompt"] for sample in samples}):
            for figure in ("prefill", "decode"):
                values = {}
                for sample in samples:
                    if (sample["placement"], sample["prompt"]) == (place, prompt):
                        values.setdefault(sample["engine"], []).append(sample[figure])
                medians = {engine: statistics.median(found) for engine, found in values.items()}
                best = max((medians[peer] for peer in PEERS if peer in medians), default=None)
                ratios = {name: medians[name] / best for name in (OURS, GREEDY) if best and name in medians}
                rows.append({
                    "placement": place, "prompt": prompt, "figure": figure, "medians": medians,
                    "samples": {engine: len(found) for engine, found in values.items()}, "ratios": ratios,
                })
    return rows


def table(rows):
    engines = [OURS, GREEDY, *PEERS]
    heads = "".join(f"{engine:>21}" for engine in engines)
    print(f"{'placement':10} {'prompt':>6} {'figure':8}{heads}{'ratio':>8}{'greedy':>8}")
    for row in rows:
        cells = (
            f"{row['medians'][engine]:.1f} ({row['samples'][engine]})" if engine in row["medians"] else "-"
            for engine in engines
        )
        ratios = (f"{row['ratios'][name]:.2f}" if name in row["ratios"] else "-" for name in (OURS, GREEDY))
        print(
            f"{row['placement']:10} {row['prompt']:6} {row['figure']:8}"
            + "".join(f"{cell:>21}" for cell in cells) + "".join(f"{ratio:>8}" for ratio in ratios)
        )
    print("tokens per second, medians (samples); ratio: to llama.cpp's better setting in the same placement")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("examples", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("model")
    arguments.add_argument("--prompts", default="512", type=lambda text: [int(n) for n in text.split(",")],
                           metavar="N,N", help="prompt lengths (512)")
    arguments.add_argument("--generate", type=int, default=64, metavar="N", help="tokens to generate (64)")
    arguments.add_argument("--rounds", type=int, default=5, metavar="N", help="samples of each engine (5)")
    arguments.add_argument("--cycles", type=int, default=0, metavar="N",
                           help="one engine in memory at a time, each loaded N times with the rounds after each load")
    arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    arguments.add_argument("--level", metavar="NAME", help="instructions of ours; HAECHI_PEER_VENV names a peer that has no better")
    arguments.add_argument("--high", action="store_true", help="ours with finer activations")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write samples and medians")
    given = arguments.parse_args()
    read = []
    if given.cycles:
        loaded, samples, read = cycles(given)
    else:
        loaded, samples = race(given)
    rows = summary(samples)
    table(rows)
    if given.cycles:
        say_cycles(given, loaded, samples, read)
    if given.json:
        document = {
            "model": Path(given.model).name, "threads": given.threads, "generate": given.generate,
            "level": given.level, "high": given.high,
            "loaded": loaded, "medians": rows, "samples": samples, "bandwidth": read,
        }
        given.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
