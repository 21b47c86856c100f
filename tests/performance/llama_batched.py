"""llama.cpp answering several users in shared passes: llama_batched.py MODEL PROMPTS_FILE [--threads N] [--flash]

The work of llama.cpp's own server, without HTTP: each user has a sequence; prompts are read beside the others' answers, up to
512 tokens in a pass; what a user's new prompt shares with the one before stays in the cache, also from sample to sample. Speaks as drivers/examples/users.rs does:
each line `USERS EACH MAX_TOKENS FROM` on standard input is one sample, answered by one line of JSON."""

import argparse
import ctypes
import json
import sys
import time
from pathlib import Path

import llama_cpp
import numpy
from llama_cpp import Llama
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

PASS_TOKENS = 512
USER_TOKENS = 1024


class User:
    """One sequence: the tokens that its cache holds, and those that are still to be read."""

    def __init__(self, questions, cached):
        self.questions = questions
        self.cached, self.unread = cached, []
        self.generated = 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model")
    arguments.add_argument("prompts", type=Path)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--users", type=int, default=16, help="the most there will be")
    arguments.add_argument("--flash", action="store_true")
    given = arguments.parse_args()
    system, *questions = given.prompts.read_text().splitlines()
    # One sequence is all that the class makes; a context for several is made beside it.
    model = Llama(given.model, n_ctx=64, n_threads=given.threads, verbose=False)
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = USER_TOKENS * given.users
    parameters.n_batch = parameters.n_ubatch = PASS_TOKENS
    parameters.n_seq_max = given.users
    parameters.n_threads = parameters.n_threads_batch = given.threads
    parameters.flash_attn_type = int(given.flash)
    context = llama_cpp.llama_init_from_model(model.model, parameters)
    server = Batched(model, context, system)
    print(json.dumps({"driver": "llama.cpp"}), flush=True)
    for line in sys.stdin:
        users, each, tokens, start = (int(word) for word in line.split())
        question = lambda user, i: questions[(start + i * users + user) % len(questions)]  # noqa: E731
        asked = [[question(user, i) for i in range(each)] for user in range(users)]
        print(json.dumps(server.sample(asked, tokens)), flush=True)


class Batched:
    def __init__(self, model, context, system):
        self.model, self.context, self.system = model, context, system
        self.memory = llama_cpp.llama_get_memory(context)
        self.batch = llama_cpp.llama_batch_init(PASS_TOKENS, 0, 1)
        self.cached = {}
        text = lambda token: model._model.token_get_text(token) if token >= 0 else ""  # noqa: E731
        self.format = Jinja2ChatFormatter(
            template=model.metadata["tokenizer.chat_template"],
            eos_token=text(model.token_eos()), bos_token=text(model.token_bos()),
        )

    def encode(self, question):
        turns = [{"role": "system", "content": self.system}, {"role": "user", "content": question}]
        return self.model.tokenize(self.format(messages=turns).prompt.encode(), add_bos=False, special=True)

    def sample(self, asked, max_tokens):
        users = [User(list(questions), self.cached.get(number, [])) for number, questions in enumerate(asked)]
        requests = []
        started = time.perf_counter()
        for number, user in enumerate(users):
            self.next_question(number, user)
        while any(user.unread for user in users):
            for number, token in self.run_pass(users):
                user, now = users[number], time.perf_counter()
                user.generated += 1
                user.first = user.first or now - user.asked
                ended = llama_cpp.llama_vocab_is_eog(self.model._model.vocab, token)
                user.unread = [token]
                if ended or user.generated == max_tokens:
                    requests.append([user.first, now - user.asked, user.generated - int(ended)])
                    self.next_question(number, user)
        self.cached.update((number, user.cached) for number, user in enumerate(users))
        return {"wall_s": time.perf_counter() - started, "requests": requests}

    def next_question(self, number, user):
        """Puts the next prompt before a user, all but its beginning that is cached already."""
        user.unread, user.generated, user.first, user.asked = [], 0, None, time.perf_counter()
        if not user.questions:
            return
        prompt = self.encode(user.questions.pop(0))
        shared = 0
        while shared < min(len(user.cached), len(prompt) - 1) and user.cached[shared] == prompt[shared]:
            shared += 1
        llama_cpp.llama_memory_seq_rm(self.memory, number, shared, -1)
        user.cached, user.unread = prompt[:shared], prompt[shared:]

    def run_pass(self, users):
        """One pass: those who generate first, then prompts as far as there is room. Users with their likeliest token."""
        batch, count, ends = self.batch, 0, []
        for number, user in sorted(enumerate(users), key=lambda pair: len(pair[1].unread)):
            piece = user.unread[: PASS_TOKENS - count]
            for token in piece:
                batch.token[count] = token
                batch.pos[count] = len(user.cached)
                batch.n_seq_id[count] = 1
                batch.seq_id[count][0] = number
                batch.logits[count] = 0
                user.cached.append(token)
                count += 1
            user.unread = user.unread[len(piece):]
            if piece and not user.unread:
                batch.logits[count - 1] = 1
                ends.append((number, count - 1))
        batch.n_tokens = count
        status = llama_cpp.llama_decode(self.context, batch)
        if status != 0:
            sys.exit(f"llama_decode: {status}")
        vocabulary = self.model.n_vocab()
        found = []
        for number, row in ends:
            logits = llama_cpp.llama_get_logits_ith(self.context, row)
            logits = numpy.ctypeslib.as_array(ctypes.cast(logits, ctypes.POINTER(ctypes.c_float)), (vocabulary,))
            found.append((number, int(logits.argmax())))
        return found


if __name__ == "__main__":
    main()
