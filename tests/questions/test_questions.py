"""Tests of the scorer and of the gold answers. HAECHI_DATA names the data folder; without it those tests are skipped."""
import copy
import json
import os
import unittest

import gold
import score
from build_frozen import rows

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ.get("HAECHI_DATA")


class Words(unittest.TestCase):
    def check(self, answer, alternative, want):
        self.assertEqual(score.has(score.plain(answer), alternative), want, (answer, alternative))

    def test_numbers_are_whole(self):
        self.check("HbA1c 7.1 %", "7.1", True)
        self.check("HbA1c 7.15 %", "7.1", False)
        self.check("HbA1c 17.1 %", "7.1", False)
        self.check("11.0 g/dL", "11", False)
        self.check("the dose is 11.", "11", True)
        self.check("1,240 pg/mL", "1240", True)

    def test_counts_are_not_found_in_dates(self):
        self.check("on 2024-03-05", "3", False)
        self.check("2024년 3월 5일에", "3", False)
        self.check("March 3, 2024", "3", False)
        self.check("총 3회 (2024-03-05)", "3", True)

    def test_words_begin_where_words_begin(self):
        self.check("sex: female", "male", False)
        self.check("7 days", "7 day", True)
        self.check("17 days", "7 day", False)
        self.check("2024년  3월 5일", "2024년 3월 5일", True)
        self.check("2024년3월5일", "2024년 3월 5일", True)


class Quotes(unittest.TestCase):
    raw = {"resourceType": "Observation", "id": "a", "effectiveDateTime": "2024-03-04T20:00:00Z",
           "code": {"text": "Hemoglobin A1c"}, "valueQuantity": {"value": gold.Decimal("6.50"), "unit": "%"}}

    def test_quotes(self):
        hay = score.Haystack(self.raw)
        self.assertEqual(hay.quote("Hemoglobin A1c"), "there")
        self.assertEqual(hay.quote('"value":6.50'), "there")
        self.assertEqual(hay.quote("Hemoglobin A1c: 6.50 %"), "put together")
        self.assertEqual(hay.quote("2024-03-05"), "there")  # the day in Seoul
        self.assertIsNone(hay.quote("Hemoglobin A1c 6.5 mmol"))
        self.assertIsNone(hay.quote(""))


class Sentences(unittest.TestCase):
    def test_uncited(self):
        fine = {"answer": "HbA1c was 6.5 % [1]. It was 6.1 % [2].\n(as of 2026-11-24 09:00)",
                "claims": [{"text": "x", "citations": [1]}], "citations": [{"id": 1}, {"id": 2}]}
        self.assertEqual(score.sentences_without(fine), [])
        self.assertTrue(score.sentences_without({**fine, "answer": "HbA1c was 6.5 % [1]. It will fall."}))
        self.assertTrue(score.sentences_without({**fine, "answer": "HbA1c was 6.5 % [3]."}))
        self.assertTrue(score.sentences_without({**fine, "claims": [{"text": "It will fall", "citations": []}]}))


@unittest.skipUnless(DATA, "HAECHI_DATA is not set")
class Gold(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scorer = score.Scorer(DATA, None)
        cls.questions = [q for name in ("frozen.jsonl", "generated.jsonl")
                         for q in score.read_jsonl(os.path.join(HERE, name)) if q["gold"]]

    def perfect(self, q):
        want, chart = q["gold"], self.scorer.charts(q["dataset"])[q["patient"]]
        if want["abstain"]:
            return {"answer": "Not found.", "abstained": True, "citations": [], "claims": []}
        used = want["sources"][: max(1, want["min_sources"])]
        marks = "".join(f" [{n}]" for n, _ in enumerate(used, 1))
        text = " ; ".join(group[0] for group in want["must"])
        cites = [{"id": n, "source": s, "kind": "record",
                  "quote": next(score.leaves(chart.raw.get(s) or chart.shared[s]))} for n, s in enumerate(used, 1)]
        return {"answer": text + marks, "abstained": False, "citations": cites,
                "claims": [{"text": text, "citations": [c["id"] for c in cites]}]}

    def test_the_file_is_what_the_script_writes(self):
        with open(os.path.join(HERE, "frozen.jsonl"), encoding="utf-8") as handle:
            written = [json.loads(line) for line in handle]
        self.assertEqual(written, json.loads(json.dumps(rows(DATA, None), default=str)))

    def test_every_source_is_the_patients_own(self):
        for q in self.questions:
            chart = self.scorer.charts(q["dataset"])[q["patient"]]
            for source in q["gold"]["sources"]:
                self.assertTrue(source in chart.raw or source in chart.shared, (q["id"], source))

    def test_a_perfect_answer_passes_and_a_spoilt_one_does_not(self):
        for q in self.questions:
            answer = self.perfect(q)
            faults, bad, _ = self.scorer.judge(q, answer)
            self.assertEqual((faults, bad["foreign"], bad["unresolved"], bad["quote"]), ([], [], [], []), q["id"])
            spoilt = copy.deepcopy(answer)
            spoilt["abstained"] = not spoilt["abstained"]
            self.assertTrue(self.scorer.judge(q, spoilt)[0], q["id"])
            if answer["citations"]:
                spoilt = copy.deepcopy(answer)
                spoilt["citations"][0]["source"] = "Observation/not-there"
                self.assertTrue(self.scorer.judge(q, spoilt)[1]["unresolved"], q["id"])
                spoilt = {**answer, "answer": "Something else"}
                self.assertTrue(self.scorer.judge(q, spoilt)[0], q["id"])


if __name__ == "__main__":
    unittest.main()
