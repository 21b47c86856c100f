"""Single samples of llama.cpp's speed, on request: llama_samples.py MODEL [--threads N] [--context N] [--flash]

Speaks as drivers/examples/bench.rs does: each line `PROMPT GENERATE` on standard input is one sample, answered by one line of
JSON. It computes all logits of a token, which llama.cpp cannot leave out, so `greedy` changes nothing."""

import argparse
import json
import sys
import time

from llama_cpp import Llama


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--context", type=int, default=8192)
    arguments.add_argument("--flash", action="store_true")
    given = arguments.parse_args()
    started = time.perf_counter()
    model = Llama(
        given.model, n_ctx=given.context, n_batch=512, n_threads=given.threads, n_threads_batch=given.threads,
        flash_attn=given.flash, verbose=False,
    )
    print(json.dumps({"load_s": time.perf_counter() - started, "context": model.n_ctx()}), flush=True)
    vocabulary = model.n_vocab()
    for line in sys.stdin:
        prompt, generate = (int(word) for word in line.split()[:2])
        tokens = [i * 2654435761 % vocabulary for i in range(prompt + generate)]
        model.reset()
        started = time.perf_counter()
        model.eval(tokens[:prompt])
        read = time.perf_counter()
        for token in tokens[prompt:]:
            model.eval([token])
        done = time.perf_counter()
        print(json.dumps({"prefill_s": read - started, "decode_s": done - read}), flush=True)


if __name__ == "__main__":
    main()
