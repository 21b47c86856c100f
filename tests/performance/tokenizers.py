#!/usr/bin/env python3
"""Compares our tokenizer with llama.cpp's, token for token, on texts made to be hard.

    cargo build --release -p haechi-drivers --example tokenize
    tests/performance/tokenizers.py [--lines N] [--as KEY=VALUE ...] MODEL.gguf...
    tests/performance/tokenizers.py --cuts

Needs Python's `llama-cpp-python`. --as replaces a text of the file's metadata (`--as tokenizer.ggml.pre=glm4`). --cuts goes
through every way to cut words that we know, with a vocabulary of our own making whose merges cross every border: one cut
too many or too few, and the tokens differ.

The texts hold no special tokens (`<|im_end|>`): there we differ on purpose, since what a person wrote never becomes one.
"""

import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KOREAN = "환자의 혈당이 높아 인슐린 용량을 조정하였다 혈압은 정상이며 추적 관찰이 필요함 내원 당시 의식 명료 활력징후 안정적 수술 후 이틀째".split()
ENGLISH = "the patient's blood glucose was 108 mg/dL; don't give metformin, they're allergic I'LL WE'VE It'd Hb A1c".split()
OTHER = "température größe naïve Ελληνικά Привет мир 漢字 日本語 カタカナ ひらがな العربية עברית हिन्दी ไทย ﬁ Ǆ ß ſt İ K".split()
EMOJI = ["🩺", "👨‍👩‍👧", "👩🏽‍⚕️", "❤️", "🇰🇷", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☃", "‼️"]
BLANKS = [" ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\n\n", " \n", "\n ", "\u3000", "\xa0", "\u2003", "\x85", "\u2028", "\v", "\f"]
MARKS = ["\u0301", "\u0308", "\u20dd", "\ufe0f", "\u200d", "\u200b", "\u0e31", "\u3099", "\u0483", "\ufeff", "\u00ad"]
JAMO = [chr(c) for c in range(0x1100, 0x11FF)] + [chr(c) for c in range(0x3131, 0x318F)] + ["\ua960", "\ud7b0", "\uffa1"]
CONTROL = [chr(c) for c in range(32)] + ["\x7f", "\x80", "\x9f"]
SIGNS = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + list("。、「」·…—“”‘’！？；：，．～￦€±×÷≤≥→①②Ⅳ½²")
CUTS = "default gpt-2 smollm llama-bpe chatglm-bpe glm4 qwen2 qwen35 exaone exaone4 exaone-moe deepseek-llm deepseek-v3".split()
TAGS = ["<b>", "</b>", "<table>", "<h1>", "http://", "x_y", "a.b@c.kr", "--->", "====", "```", "''", "'S", "'ll", "▁", "▁▁"]


def text(pick):
    """One text of one to thirty parts; most are words, any can be anything."""
    parts = []
    for _ in range(pick.choice((1, 2, 3, 5, 8, 13, 30))):
        kind = pick.random()
        if kind < 0.25:
            part = pick.choice(KOREAN) + pick.choice(("", " ", " ", "\n"))
        elif kind < 0.45:
            part = pick.choice(ENGLISH) + pick.choice(("", " ", " ", "\t"))
        elif kind < 0.52:
            part = pick.choice(OTHER) + pick.choice(("", " "))
        elif kind < 0.60:
            part = "".join(pick.choice("0123456789") for _ in range(pick.randint(1, 9))) + pick.choice(("", " ", ".", "%"))
        elif kind < 0.68:
            part = "".join(pick.choice(BLANKS) for _ in range(pick.randint(1, 4)))
        elif kind < 0.74:
            part = "".join(pick.choice(SIGNS) for _ in range(pick.randint(1, 4)))
        elif kind < 0.78:
            part = unicodedata.normalize("NFD", pick.choice(KOREAN + OTHER))
        elif kind < 0.82:
            part = pick.choice(EMOJI)
        elif kind < 0.86:
            part = pick.choice("aeouxé가나漢1 ") + "".join(pick.choice(MARKS) for _ in range(pick.randint(1, 3)))
        elif kind < 0.89:
            part = "".join(pick.choice(JAMO) for _ in range(pick.randint(1, 4)))
        elif kind < 0.91:
            part = pick.choice(CONTROL)
        elif kind < 0.94:
            part = pick.choice(TAGS)
        elif kind < 0.985:  # any character at all, surrogates apart
            points = (pick.choice((0x300, 0x3000, 0xFFFF, 0x1FFFF, 0x10FFFF)) for _ in range(pick.randint(1, 4)))
            points = (pick.randint(0x21, top) for top in points)
            part = "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)
        else:  # a long run
            part = pick.choice(" \n\t\r0aA가-=_.'漢\u0301\u1100🩺") * pick.choice((17, 33, 64, 150, 700))
        parts.append(part)
    return "".join(parts)


class Gguf:
    """As much of the format as copying metadata takes (llama.cpp's `docs/gguf.md`, version 3)."""

    SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def __init__(self, path):
        self.file = open(path, "rb")
        assert self.file.read(4) == b"GGUF"
        self.version, _, count = struct.unpack("<IQQ", self.file.read(20))
        self.pairs = {}
        for _ in range(count):
            key = self.string().decode()
            start = self.file.tell()
            self.value(self.number("<I"))
            end = self.file.tell()
            self.file.seek(start)
            self.pairs[key] = self.file.read(end - start)

    def number(self, kind):
        return struct.unpack(kind, self.file.read(struct.calcsize(kind)))[0]

    def string(self):
        return self.file.read(self.number("<Q"))

    def value(self, kind):
        if kind == 8:
            self.string()
        elif kind == 9:
            kind, count = self.number("<I"), self.number("<Q")
            if kind in self.SIZES:
                self.file.seek(count * self.SIZES[kind], os.SEEK_CUR)
            else:
                for _ in range(count):
                    self.value(kind)
        else:
            self.file.seek(self.SIZES[kind], os.SEEK_CUR)

    def write(self, path, changes):
        """The tokenizer alone, with these texts changed."""
        pairs = {key: value for key, value in self.pairs.items() if key.startswith("tokenizer.")}
        write(path, pairs | {key: as_text(value) for key, value in changes.items()})


def as_text(value):
    return struct.pack("<IQ", 8, len(value.encode())) + value.encode()


def as_texts(values):
    return struct.pack("<IIQ", 9, 8, len(values)) + b"".join(as_text(value)[4:] for value in values)


def write(path, pairs):
    pairs = {"general.architecture": as_text("llama")} | pairs
    with open(path, "wb") as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)))
        for key, value in pairs.items():
            out.write(struct.pack("<Q", len(key.encode())) + key.encode() + value)
        out.write(b"\0" * (-out.tell() % 32))


def write_mixed(path, pick, cut):
    """A byte-level vocabulary that merges any neighbours at random, whatever they are."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    letters = {byte: chr(byte) for byte in visible} | {byte: chr(256 + index) for index, byte in enumerate(hidden)}
    tokens, merges = {letter: None for letter in letters.values()}, {}
    for _ in range(4000):
        word = [letters[byte] for byte in text(pick).encode()[:200]]
        for _ in range(len(word) * 3 // 4):
            at = pick.randrange(len(word) - 1)
            merges[f"{word[at]} {word[at + 1]}"] = None
            word[at : at + 2] = [word[at] + word[at + 1]]
            tokens[word[at]] = None
    kinds = struct.pack(f"<IIQ{len(tokens)}i", 9, 5, len(tokens), *[1] * len(tokens))
    texts = {"model": as_text("gpt2"), "pre": as_text(cut), "tokens": as_texts(tokens), "merges": as_texts(merges)}
    write(path, {f"tokenizer.ggml.{key}": value for key, value in {**texts, "token_type": kinds}.items()})


def compare(name, model, texts, binary, show):
    from llama_cpp import Llama

    data = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    start = time.time()
    ours = subprocess.run([binary, model], input=data, stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")
    ours_s = time.time() - start
    llama = Llama(str(model), vocab_only=True, verbose=False)  # says something of its context all the same
    start = time.time()
    theirs = [" ".join(map(str, llama.tokenize(text, add_bos=False, special=False))) for text in texts]
    theirs_s = time.time() - start
    assert len(ours) == len(texts) + 1
    wrong = [(text, a, b) for text, a, b in zip(texts, ours, theirs) if a != b]
    tokens = sum(len(line.split()) for line in theirs)
    print(f"{name}: {len(texts)} lines, {tokens} tokens, {len(wrong)} lines differ; seconds: ours {ours_s:.1f}, llama.cpp {theirs_s:.1f}")
    for text, a, b in sorted(wrong, key=lambda entry: len(entry[0]))[:show]:
        print(f"  {text.decode()!r}\n    ours      {a}\n    llama.cpp {b}")
    return len(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL.gguf")
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=20260901)
    parser.add_argument("--as", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--cuts", action="store_true")
    parser.add_argument("--show", type=int, default=5, help="differing lines to show, the shortest first")
    parser.add_argument("--binary", default=ROOT / "target/release/examples/tokenize")
    options = parser.parse_args()
    pick = random.Random(options.seed)
    texts = [text(pick).encode() for _ in range(options.lines)]
    changes = dict(change.split("=", 1) for change in options.changes)
    wrong = 0
    for model in options.models:
        with tempfile.NamedTemporaryFile(suffix=".gguf") as changed:
            if changes:
                Gguf(model).write(changed.name, changes)
            name = " ".join([Path(model).name, *options.changes])
            wrong += compare(name, changed.name if changes else model, texts, options.binary, options.show)
    for cut in CUTS if options.cuts else ():
        with tempfile.NamedTemporaryFile(suffix=".gguf") as mixed:
            write_mixed(mixed.name, random.Random(options.seed + 1), cut)
            wrong += compare(cut, mixed.name, texts, options.binary, options.show)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
