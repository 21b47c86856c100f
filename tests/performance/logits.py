"""llama.cpp's logits after every token: logits.py MODEL TOKENS_FILE OUT [--flash] [--exact-cache] [--threads N]

TOKENS_FILE holds token ids, separated by white space. OUT: rows and vocabulary as little-endian u32, then f32 row by row;
`drivers/examples/logits.rs` writes the same, and compare.py reads it. Needs llama-cpp-python (requirements.txt here)."""

import argparse
import struct
from pathlib import Path

import numpy
from llama_cpp import GGML_TYPE_F16, GGML_TYPE_F32, Llama


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model")
    arguments.add_argument("tokens", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--flash", action="store_true", help="with flash attention")
    arguments.add_argument("--exact-cache", action="store_true", help="keys and values in f32 instead of f16")
    arguments.add_argument("--threads", type=int, default=2)
    given = arguments.parse_args()
    tokens = [int(token) for token in given.tokens.read_text().split()]
    kind = GGML_TYPE_F32 if given.exact_cache else GGML_TYPE_F16
    model = Llama(
        given.model, n_ctx=len(tokens) + 8, n_batch=512, n_threads=given.threads, n_threads_batch=given.threads,
        logits_all=True, flash_attn=given.flash, type_k=kind, type_v=kind, verbose=False,
    )
    model.eval(tokens)
    rows = numpy.asarray(model.scores[: len(tokens)], dtype="<f4")
    with given.out.open("wb") as file:
        file.write(struct.pack("<II", *rows.shape))
        file.write(rows.tobytes())


if __name__ == "__main__":
    main()
