"""Answers to 1, 2, 4, 8 and 16 users at once: our engine against llama.cpp's Python server, in turn. Started by
tests/performance/serve_race.

Every user asks one question after another, all with the same system turn, greedily. Ours runs inside drivers/examples/users.rs,
the peer as `python -m llama_cpp.server` over HTTP on this machine; all stay loaded and idle while another works. That server
answers one request at a time, so beside it runs what llama.cpp can do with several sequences in one pass, without a server:
llama_batched.py. The ratio is to the better of the two. Samples during which others worked do not count where there are any
that are undisturbed; `!` marks a line that has none. What was measured when it is told to end (SIGTERM) is still printed."""

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from race import OTHERS, beside_others

OURS, PEER, BATCHED = "haechi", "llama_cpp.server", "llama.cpp batched"
SETTLE_S = 0.2
START_S = 120
SYSTEM = (
    "You help the staff of a hospital. Answer in two or three plain sentences, say what a value means and what range is usual "
    "for adults, name units, and say so if a question cannot be answered. You do not replace a physician. " * 4
).strip()
TESTS = ("HbA1c", "creatinine", "the INR", "troponin", "ferritin", "TSH", "the anion gap", "C-reactive protein")
ASKED = ("what is its usual range?", "why would it be low?", "why would it be high?", "how often is it repeated?")


class Stopped(Exception):
    """Somebody wants this to end."""


def stop(*_):
    raise Stopped


def questions(count):
    """Each is asked once: an answer's beginning that lies in a cache would be no answer. The system turn may lie there."""
    return [
        f"Case {number}: what does {TESTS[number % 8]} measure, and {ASKED[number // 8 % 4]}" for number in range(count)
    ]


class Runner:
    """A process that answers `USERS EACH MAX_TOKENS FROM` with what it took."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def sample(self, users, each, tokens, start):
        self.process.stdin.write(f"{users} {each} {tokens} {start}\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Server:
    """llama_cpp.server; answers are streamed, or nobody would know when the first text came."""

    def __init__(self, given, asked):
        self.asked = asked
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "llama_cpp.server", "--model", given.model, "--host", "127.0.0.1",
                "--port", str(self.port), "--n_ctx", "4096", "--n_threads", str(given.threads),
                "--n_threads_batch", str(given.threads), "--flash_attn", str(given.flash),
                # By default it computes logits that nobody asked for, and breaks an answer off when another request comes.
                "--logits_all", "False", "--interrupt_requests", "False", "--verbose", "False",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.ask("?", 1)
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{PEER} did not start")
                time.sleep(0.2)

    def ask(self, question, tokens):
        """Seconds to the first text and to the end, and tokens: each comes in an event of its own."""
        body = {
            "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}],
            "max_tokens": tokens, "temperature": 0, "stream": True,
        }
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            sys.exit(f"{PEER}: status {response.status}: {response.read(500)}")
        first, count = None, 0
        for line in response:
            if line.startswith(b"data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                first = first or time.perf_counter() - started
                count += 1
        connection.close()
        total = time.perf_counter() - started
        return [first or total, total, count]

    def sample(self, users, each, tokens, start):
        requests = []

        def user(number):
            for i in range(each):
                requests.append(self.ask(self.asked[start + i * users + number], tokens))

        started = time.perf_counter()
        threads = [threading.Thread(target=user, args=(number,), daemon=True) for number in range(users)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"wall_s": time.perf_counter() - started, "requests": requests}

    def close(self):
        self.process.terminate()
        self.process.wait()


def figures(answer):
    """Of one sample: all tokens in a second, and of its requests the median first text and the slowest end."""
    first, total, tokens = zip(*answer["requests"])
    return {
        "tokens_per_s": sum(tokens) / answer["wall_s"],
        "first_text_s": statistics.median(first),
        "slowest_s": max(total),
    }


def race(given, prompts, asked):
    common = [given.model, prompts, "--threads", str(given.threads)]
    batched = [sys.executable, Path(__file__).with_name("llama_batched.py"), *common, "--users", str(max(given.users))]
    engines = {
        OURS: Runner(OURS, [given.examples / "users", *common]),
        PEER: Server(given, asked),
        BATCHED: Runner(BATCHED, [*batched, *(["--flash"] if given.flash else [])]),
    }
    samples, start = [], max(given.users)
    try:
        for engine in engines.values():
            engine.sample(start, 1, 4, 0)  # pages are warm after it, and everybody has read the system turn once
        for round_ in range(given.rounds):
            for users in given.users:
                for name in list(engines)[round_ % 3:] + list(engines)[: round_ % 3]:
                    time.sleep(SETTLE_S)
                    engine = engines[name]
                    answer, others = beside_others(
                        engine.process, lambda: engine.sample(users, given.each, given.tokens, start)
                    )
                    samples.append(
                        {"engine": name, "users": users, "round": round_, "others": others, **figures(answer)}
                    )
                    print(".", end="", file=sys.stderr, flush=True)
                start += users * given.each
    except Stopped:
        print("stopped early", file=sys.stderr)
        for engine in engines.values():
            engine.process.kill()
    finally:
        for engine in engines.values():
            engine.close()
    print(file=sys.stderr)
    return samples


def table(samples):
    rows = []
    print(f"{'users':>5} {'':18}{'tokens/s':>10}{'first text s':>14}{'slowest s':>11}")
    for users in sorted({sample["users"] for sample in samples}):
        medians = {}
        for name in (OURS, PEER, BATCHED):
            found = [sample for sample in samples if (sample["engine"], sample["users"]) == (name, users)]
            if not found:
                break
            quiet = [sample for sample in found if sample["others"] <= OTHERS]
            medians[name] = {
                figure: statistics.median(sample[figure] for sample in quiet or found)
                for figure in ("tokens_per_s", "first_text_s", "slowest_s")
            }
            of = medians[name]
            mark = "" if quiet else " !"
            print(f"{users:5} {name:18}{of['tokens_per_s']:10.1f}{of['first_text_s']:14.3f}{of['slowest_s']:11.2f}{mark}")
        if len(medians) < 3:
            continue  # it was stopped before
        ratio = medians[OURS]["tokens_per_s"] / max(medians[name]["tokens_per_s"] for name in (PEER, BATCHED))
        print(f"{'':5} {'ratio':18}{ratio:10.2f}")
        rows.append({"users": users, "medians": medians, "ratio": ratio})
    return rows


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("examples", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("model")
    arguments.add_argument("--users", default="1,2,4,8,16", type=lambda text: [int(n) for n in text.split(",")],
                           metavar="N,N", help="users at once (1,2,4,8,16)")
    arguments.add_argument("--each", type=int, default=2, metavar="N", help="questions of each user (2)")
    arguments.add_argument("--tokens", type=int, default=64, metavar="N", help="most tokens of an answer (64)")
    arguments.add_argument("--rounds", type=int, default=3, metavar="N")
    arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    arguments.add_argument("--flash", type=lambda text: text == "1", default=False, metavar="0|1",
                           help="the peer's flash attention (0)")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write samples and medians")
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, stop)
    asked = questions(max(given.users) + given.rounds * sum(given.users) * given.each)
    with tempfile.TemporaryDirectory() as folder:
        prompts = Path(folder) / "prompts"
        prompts.write_text("\n".join([SYSTEM, *asked]) + "\n")
        samples = race(given, prompts, asked)
    rows = table(samples)
    if given.json:
        document = {
            "model": Path(given.model).name, "threads": given.threads, "flash": given.flash,
            "medians": rows, "samples": samples,
        }
        given.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
