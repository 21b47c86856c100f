#!/usr/bin/env python3
"""Scores answers against gold answers, and checks every citation against the raw data.

usage: score.py --data DIR [--demo DIR] --questions FILE... --answers FILE [--list N]

--answers holds one JSON object a line: {"id": ..., <the document of `haechi ask --json`>}, or with that document under
"answer". A question whose "gold" is null carries a query; its gold is computed here from the raw resources. Answers are
scored as a reader would: is it right, is it carried by the right entries, does every sentence cite, does every
citation stand in this patient's own data, does the quote stand there, and does it abstain where nothing is recorded.

Exit code 1 below the thresholds: 97 % of the answerable questions right with the right evidence, every unanswerable one
abstained, no sentence without a citation, no citation outside the patient's own record, no quote that is not there.
"""
import argparse
import json
import os
import re
import sys
import unicodedata

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gold
from build_frozen import load_dataset

# ---------------------------------------------------------------- text

DATES = [r"\d{4}-\d{2}-\d{2}(?:[t ]\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:z|[+-]\d{2}:?\d{2})?)?", r"\d{4}\s?년(?:\s?\d{1,2}\s?월)?(?:\s?\d{1,2}\s?일)?",
         r"\d{4}[./]\s?\d{1,2}[./]\s?\d{1,2}", r"\b\d{1,2}:\d{2}(?::\d{2})?\b",
         r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}, \d{4}",
         r"\b\d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{4}", r"\d{4}-\d{2}(?!\d)"]
MARK = re.compile(r"\[\s*\d+(?:\s*[,;]\s*\d+)*\s*\]")


def plain(text):
    """Case, width, kind of dash and quote, thousands and runs of space do not matter."""
    text = unicodedata.normalize("NFKC", str(text)).casefold().replace("\u200b", "")
    text = re.sub(r"[\u2010-\u2015\u2212]", "-", text)
    text = re.sub(r"[\u2018\u2019\u02bc]", "'", text)
    text = re.sub(r"[\u201c\u201d]", '"', text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    return re.sub(r"\s+", " ", text).strip()


def has(text, alternative):
    """Does the alternative stand in the text: a number not as part of a longer one, a word from its beginning."""
    want = plain(alternative)
    if not want:
        return False
    if re.fullmatch(r"\d{1,3}", want):  # a bare count or age is not to be found inside a date
        for pattern in DATES:
            text = re.sub(pattern, " ", text)
    for hay, needle in ((text, want), (text.replace(" ", ""), want.replace(" ", ""))):
        if hay is not text and not re.search(r"[\uac00-\ud7a3]", needle):
            continue
        before = r"(?<![\d])(?<!\d[.])" if needle[0].isdigit() else (r"(?<![a-z])" if needle[0].isascii() and needle[0].isalpha() else "")
        after = r"(?![\d])(?![.]\d)" if needle[-1].isdigit() else ""
        if re.search(before + re.escape(needle) + after, hay):
            return True
    return False


# ---------------------------------------------------------------- citations

def ref_of(source):
    source = re.sub(r"/_history/.*$|#.*$", "", str(source).strip())
    source = re.sub(r"^https?://[^ ]*/(?=[A-Z][A-Za-z]+/[^/]+$)", "", source)
    return source.replace("urn:uuid:", "")


def leaves(node):
    if isinstance(node, dict):
        for value in node.values():
            yield from leaves(value)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value)
    elif node is not None:
        yield ("true" if node is True else "false" if node is False else str(node))


class Haystack:
    """All that a resource says, for looking quotes up."""

    def __init__(self, raw):
        values = list(leaves(raw))
        texts = gold.attachments(raw)
        div = (raw.get("text") or {}).get("div")
        if div:
            texts.append(re.sub(r"<[^>]+>", " ", div))
        for note in raw.get("note", []) if isinstance(raw.get("note"), list) else []:
            texts.append(note.get("text", ""))
        dates = [d for v in values if re.fullmatch(r"\d{4}(-\d\d){0,2}(T.*)?", v) for d in self._forms(v)]
        raw_json = json.dumps(raw, ensure_ascii=False, default=lambda d: f"<num>{d}</num>")
        raw_json = raw_json.replace('"<num>', "").replace('</num>"', "")
        self.text = plain("\n".join(values + texts + dates + [raw_json, re.sub(r'":\s*', '":', raw_json)]))
        self.tight = self.text.replace(" ", "")
        words = re.findall(r"[\w.%/+*^-]+", self.text)
        self.words = set(words) | {w.strip(".") for w in words}

    @staticmethod
    def _forms(value):
        try:
            return gold.date_forms(gold.when(value)[1])
        except (ValueError, IndexError):
            return []

    def quote(self, quote):
        """'there', 'put together' (every word of it stands in the resource, though not in one run), or None."""
        pieces = [p for p in re.split(r"…|\.\.\.", plain(quote)) if p.strip()]
        if not pieces:
            return None
        if all(p.strip() in self.text or p.replace(" ", "") in self.tight for p in pieces):
            return "there"
        words = [w for p in pieces for w in re.findall(r"[\w.%/+*^-]+", p)]
        rest = [w for w in words if w not in self.words and w.strip(".:-") not in self.words
                and (re.search(r"\d", w) or w not in self.tight)]
        return "put together" if words and not rest else None


# ---------------------------------------------------------------- sentences

AS_OF = re.compile(r"\bas of\b|기준|received until|last received|수신|현재까지", re.I)
ABSENT = re.compile(r"not found|no record|not recorded|nothing (was )?found|could not find|couldn't find|찾지 못|찾을 수 없|"
                    r"확인되지 않|없습니다|없음|기록이 없|not in (the|this) (record|chart)", re.I)


def sentences_without(answer):
    """Sentences of the answer and claims that carry no citation (statements of absence and of freshness may)."""
    out = []
    ids = {c.get("id") for c in answer.get("citations", [])}
    for claim in answer.get("claims", []):
        text = str(claim.get("text", ""))
        if not [c for c in claim.get("citations", []) if c in ids] and not (ABSENT.search(text) or AS_OF.search(text)):
            out.append(f"claim: {text}")
    for line in str(answer.get("answer", "")).splitlines():
        rest = re.split(r"(?:\s*" + MARK.pattern + r")+", line)[-1]
        if re.search(r"[^\W\d_]{2,}", rest) and not rest.rstrip().endswith(":") and not AS_OF.search(rest) \
                and not ABSENT.search(rest):
            out.append(f"answer: {rest.strip()}")
    for number in MARK.findall(str(answer.get("answer", ""))):
        for one in re.findall(r"\d+", number):
            if int(one) not in ids:
                out.append(f"answer: {number} names no citation")
    return out


# ---------------------------------------------------------------- scoring

class Scorer:
    def __init__(self, data, demo):
        self.data, self.demo = data, demo
        self.sets, self.hay = {}, {}

    def charts(self, dataset):
        if dataset not in self.sets:
            self.sets[dataset] = load_dataset(self.data, self.demo, dataset)
        return self.sets[dataset]

    def haystack(self, dataset, ref, raw):
        key = (dataset, ref)
        if key not in self.hay:
            self.hay[key] = Haystack(raw)
        return self.hay[key]

    def citations(self, question, answer):
        """What is wrong with the citations, how many quotes are put together, and the references that hold."""
        charts = self.charts(question["dataset"])
        chart = charts[question["patient"]]
        bad, together, good = {"foreign": [], "unresolved": [], "quote": []}, 0, []
        for cite in answer.get("citations", []):
            if cite.get("kind", "record") == "calculator":
                continue
            ref = ref_of(cite.get("source", ""))
            raw = chart.raw.get(ref) or chart.shared.get(ref)
            if raw is None:
                owner = next((p for p, other in charts.items() if ref in other.raw), None)
                bad["foreign" if owner else "unresolved"].append(ref)
                continue
            found = self.haystack(question["dataset"], ref, raw).quote(cite.get("quote", ""))
            if found is None:
                bad["quote"].append(f"{ref}: {cite.get('quote', '')!r}")
                continue
            together += found == "put together"
            good.append(ref)
        return bad, together, good

    def judge(self, question, answer):
        """The faults of one answer."""
        faults = []
        want = question["gold"]
        bad, together, good = self.citations(question, answer)
        text = plain(MARK.sub(" ", str(answer.get("answer", ""))))
        if want["abstain"] is None and answer.get("abstained") is True:
            pass  # only entries that were taken back: saying nothing is as right as saying so
        elif want["abstain"]:
            if answer.get("abstained") is not True:
                faults.append("should have abstained")
        else:
            if answer.get("abstained"):
                faults.append("abstained")
            for group in want["must"]:
                if not any(has(text, alternative) for alternative in group):
                    faults.append("missing " + " | ".join(group[:3]))
            cited = {r for r in good if r in {ref_of(s) for s in want["sources"]}}
            if len(cited) < want["min_sources"]:
                faults.append(f"cites {len(cited)} of {want['min_sources']} needed: {want['sources'][:4]}")
        for word in want["must_not"]:
            if has(text, word):
                faults.append(f"says {word!r}")
        return faults, bad, together


def read_jsonl(path):
    with open(path, encoding="utf-8") as handle:
        return [json.loads(line) for line in handle if line.strip()]


def percent(part, whole):
    return f"{100 * part / whole:5.1f} %" if whole else "    – "


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else float("nan")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--data", required=True)
    args.add_argument("--demo")
    args.add_argument("--questions", nargs="+", required=True)
    args.add_argument("--answers", nargs="+", required=True)
    args.add_argument("--min-right", type=float, default=97.0)
    args.add_argument("--list", type=int, default=1000, help="how many failures to list")
    args = args.parse_args()

    scorer = Scorer(args.data, args.demo)
    questions = [q for path in args.questions for q in read_jsonl(path)]
    answers = {}
    for row in (r for path in args.answers for r in read_jsonl(path)):
        answers[row["id"]] = row["answer"] if isinstance(row.get("answer"), dict) else row

    table, failures, times, skipped = {}, [], [], []
    uncited, foreign, unresolved, quotes, put_together = [], [], [], [], 0
    passed = failed = 0
    for q in questions:
        if q["gold"] is None:
            if q["dataset"] == "demo" and not args.demo:
                skipped.append((q["id"], "no demo hospital given"))
                continue
            gold.fill(q, scorer.charts(q["dataset"]))
            if q["gold"] is None:
                skipped.append((q["id"], "the data no longer holds what the query asks for"))
                continue
        answer = answers.get(q["id"])
        if answer is None:
            faults, together = ["no answer"], 0
        else:
            faults, bad, together = scorer.judge(q, answer)
            lacks = [] if answer.get("abstained") and not answer.get("citations") else sentences_without(answer)
            for name, seen in (("foreign", foreign), ("unresolved", unresolved), ("quote", quotes)):
                seen += [(q["id"], x) for x in bad[name]]
                faults += [f"{name} citation {x}" for x in bad[name]]
            uncited += [(q["id"], x) for x in lacks]
            faults += [f"uncited {x}" for x in lacks]
            total = (answer.get("timings_ms") or {}).get("total")
            if total is not None:
                times.append(float(total))
        put_together += together
        ok = not faults
        passed, failed = passed + ok, failed + (not ok)
        for key in (("all", "all"), ("kind", q["kind"]), ("language", q["lang"]), ("dataset", q["dataset"])):
            row = table.setdefault(key, [0, 0, 0, 0])
            at = 2 if q["gold"]["abstain"] else 0
            row[at] += ok
            row[at + 1] += 1
        if not ok:
            failures.append((q, answer, faults))

    print(f"{'':34} {'right':>16}    {'abstained':>14}")
    for key in sorted(table, key=lambda k: ("all language dataset kind".split().index(k[0]), k[1])):
        r = table[key]
        print(f"{key[0]:>9} {key[1]:24} {percent(r[0], r[1])} of {r[1]:4}    {percent(r[2], r[3])} of {r[3]:4}")
    print(f"sentences without a citation: {len(uncited)}")
    print(f"citations of another patient's entries: {len(foreign)}")
    print(f"citations that resolve to nothing: {len(unresolved)}")
    print(f"quotes that do not stand in their entry: {len(quotes)} (put together from several fields: {put_together})")
    if times:
        print(f"answer time: p50 {quantile(times, .5):.0f} ms, p95 {quantile(times, .95):.0f} ms over {len(times)}")
    for number, why in skipped:
        print(f"skipped {number}: {why}")
    for q, answer, faults in failures[: args.list]:
        said = "(none)" if answer is None else str(answer.get("answer"))[:600]
        want = "abstention" if q["gold"]["abstain"] else [g[0] for g in q["gold"]["must"]]
        print(f"\n{q['id']} {q['dataset']} {q['patient']} {q['lang']} {q['kind']}\n  question: {q['question']}\n"
              f"  expected: {want}\n  got:      {said}")
        for fault in faults:
            print(f"  - {fault}")

    total = table.get(("all", "all"), [0, 0, 0, 0])
    enough = (total[1] == 0 or 100 * total[0] / total[1] >= args.min_right) and total[2] == total[3] \
        and not uncited and not foreign and not unresolved and not quotes
    print(f"\n{passed} passed, {failed} failed")
    sys.exit(0 if enough and passed else 1)


if __name__ == "__main__":
    main()
