#!/usr/bin/env python3
"""Makes questions from templates over many charts, with gold answers from the raw resources.

usage: build_generated.py --data DIR [--demo DIR] [--seed N] [--count N] [--out generated.jsonl] [--check]

The same seed and data give the same questions. A quarter are unanswerable: what they ask for is not in that chart, or
in no chart. With --demo, questions over the demo hospital come on top (a third as many again).
"""
import argparse
import json
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gold
from build_frozen import load_dataset

HERE = os.path.dirname(os.path.abspath(__file__))
DATASETS = [("fhir/synthea-2019", 24), ("fhir/carebundle/type2_diabetes", 3), ("fhir/carebundle/ckd_stage3", 3),
            ("fhir/carebundle/hypertension", 3), ("fhir/carebundle/anaemia", 3), ("fhir/carebundle/healthy", 2),
            ("fhir/bulk-10-patients", 5), ("fhir/inferno-us-core", 1)]

# LOINC codes, how it is called in English, how in Korean, a pattern for names (to be sure of an absence)
LABS = [
    ("4548-4", ["HbA1c", "A1c", "hemoglobin A1c"], ["당화혈색소", "HbA1c"], "a1c"),
    ("2345-7|2339-0", ["glucose", "blood sugar"], ["혈당", "glucose"], "glucose|혈당"),
    ("2160-0|38483-4", ["creatinine", "Cr"], ["크레아티닌", "Cr"], "creatinine|크레아티닌"),
    ("98979-8|33914-3", ["eGFR", "estimated GFR"], ["eGFR", "사구체여과율"], "glomerular|여과율"),
    ("2951-2|2947-0", ["sodium", "Na"], ["나트륨", "Na"], "sodium|나트륨"),
    ("2823-3|6298-4", ["potassium", "K"], ["칼륨", "포타슘"], "potassium|칼륨"),
    ("17861-6|49765-1", ["calcium"], ["칼슘"], "calcium|칼슘"),
    ("3094-0|6299-2", ["BUN", "urea nitrogen"], ["BUN", "혈액요소질소"], "urea"),
    ("718-7", ["hemoglobin", "Hb", "Hgb"], ["혈색소", "헤모글로빈", "Hb"], "hemoglobin \\[|혈색소\\("),
    ("6690-2", ["WBC", "white count"], ["백혈구", "WBC"], "leukocytes|백혈구"),
    ("777-3", ["platelets", "platelet count", "PLT"], ["혈소판", "PLT"], "platelet|혈소판"),
    ("4544-3", ["hematocrit", "Hct"], ["적혈구용적률", "Hct"], "hematocrit|용적률"),
    ("2093-3", ["total cholesterol"], ["총콜레스테롤", "총 콜레스테롤"], "cholesterol"),
    ("13457-7|18262-6", ["LDL", "LDL cholesterol"], ["LDL", "LDL 콜레스테롤"], "ldl|low density"),
    ("2085-9", ["HDL"], ["HDL"], "hdl|high density"),
    ("2571-8", ["triglycerides", "TG"], ["중성지방", "TG"], "triglycer|중성지방"),
    ("1742-6", ["ALT"], ["ALT"], "alanine|ALT"),
    ("1920-8", ["AST"], ["AST"], "aspartate|AST"),
    ("1975-2", ["total bilirubin"], ["총빌리루빈"], "bilirubin|빌리루빈"),
    ("1751-7", ["albumin"], ["알부민"], "albumin \\[|알부민$"),
    ("6768-6", ["alkaline phosphatase", "ALP"], ["ALP", "알칼리인산분해효소"], "alkaline|알칼리"),
    ("39156-5", ["BMI"], ["BMI", "체질량지수"], "body mass index|체질량"),
    ("29463-7", ["weight", "body weight"], ["체중", "몸무게"], "body weight|체중"),
    ("8302-2", ["height"], ["키", "신장(키)"], "body height|^키"),
]
# only ever asked where they are absent
ABSENT_LABS = [
    ("89579-7|10839-9|6598-7", ["troponin", "hs-TnI"], ["트로포닌", "troponin"], "tropon|트로포닌"),
    ("3016-3", ["TSH"], ["TSH", "갑상선자극호르몬"], "thyrotropin|TSH"),
    ("6301-6", ["INR", "PT/INR"], ["INR"], "INR"),
    ("2276-4", ["ferritin"], ["페리틴"], "ferritin|페리틴"),
    ("1988-5|30522-7", ["CRP"], ["CRP", "C-반응단백"], "c.reactive|CRP"),
    ("2039-6", ["CEA"], ["CEA"], "carcinoembryonic|CEA"),
    ("1834-1", ["AFP"], ["AFP", "알파태아단백"], "fetoprotein|AFP"),
    ("2524-7", ["lactate"], ["젖산", "lactate"], "lactate|젖산"),
    ("33959-8", ["procalcitonin"], ["프로칼시토닌"], "procalcitonin"),
    ("4548-4", ["HbA1c"], ["당화혈색소"], "a1c"),
]
ABSENT_CONDITIONS = [
    ("epilepsy", "뇌전증", "epilep|seizure|뇌전증"), ("tuberculosis", "결핵", "tubercul|결핵"),
    ("COPD", "COPD", "chronic obstructive|COPD|폐쇄성|emphysema"), ("a stroke", "뇌졸중", "stroke|cerebr|infarct|뇌경색|뇌졸중"),
    ("gout", "통풍", "gout|통풍"), ("hepatitis B", "B형 간염", "hepatitis|간염"), ("cirrhosis", "간경변", "cirrhosis|간경변"),
    ("atrial fibrillation", "심방세동", "fibrillation|심방세동"), ("glaucoma", "녹내장", "glaucoma|녹내장"),
    ("Parkinson's disease", "파킨슨병", "parkinson|파킨슨"), ("psoriasis", "건선", "psoriasis|건선"),
    ("pulmonary embolism", "폐색전증", "embol|색전"),
]
ABSENT_DRUGS = [
    ("warfarin", "와파린", "warfarin|와파린"), ("insulin", "인슐린", "insulin|인슐린"), ("digoxin", "디곡신", "digoxin|디곡신"),
    ("prednisolone", "프레드니솔론", "predni|프레드니"), ("allopurinol", "알로푸리놀", "allopurinol|알로푸리놀"),
    ("levothyroxine", "레보티록신", "thyrox|티록신"), ("clopidogrel", "클로피도그렐", "clopidogrel|클로피도그렐"),
    ("methotrexate", "메토트렉세이트", "methotrexate|메토트렉"),
]
OUTSIDE = [
    ("en", "how much was the last hospital bill?", "ko", "마지막 병원비는 얼마였나요?", True),
    ("en", "what are the odds of surviving the next five years?", "ko", "앞으로 5년 생존 가능성은 얼마나 되나요?", False),
    ("en", "what is the potassium of the patient in bed 12?", "ko", "12번 침대 환자 칼륨 수치는요?", False),
    ("en", "what car does the patient drive?", "ko", "환자분 무슨 차 타고 다니세요?", False),
    ("en", "which nurse is on duty tonight?", "ko", "오늘 밤 당직 간호사 누구예요?", False),
    ("en", "what did the PET scan show?", "ko", "PET 결과 어떻게 나왔나요?", False),
]
CONDITIONS = [
    ("hypertension", "고혈압", "hypertension|고혈압"), ("prediabetes", "당뇨 전단계(prediabetes)", "^prediabetes"),
    ("hyperlipidemia", "고지혈증", "hyperlipid|고지질혈증"), ("anemia", "빈혈", "^anemia|iron deficiency anemia|빈혈"),
    ("asthma", "천식", "asthma|천식"), ("osteoporosis", "골다공증", "^osteoporosis|골다공증"),
    ("viral sinusitis", "바이러스성 부비동염(viral sinusitis)", "viral sinusitis"), ("pneumonia", "폐렴", "^pneumonia|폐렴"),
    ("stroke", "뇌졸중", "^stroke|ischemic stroke|뇌경색"), ("atrial fibrillation", "심방세동", "atrial fib|심방세동"),
    ("acute bronchitis", "급성 기관지염", "acute bronchitis"), ("obesity", "비만", "obesity|비만"),
]
VACCINES = [
    ("flu", "독감", "influenza|인플루엔자"), ("Td", "파상풍(Td)", "^Td"), ("zoster", "대상포진", "zoster|대상포진"),
    ("MMR", "MMR", "^MMR|홍역"), ("COVID-19", "코로나19", "SARS-COV-2|COVID|코로나"), ("pneumococcal", "폐렴구균", "pneumococ|폐렴구균"),
]
EN = {
    "latest": ["latest {0}?", "What is the most recent {0}?", "{0} now?", "last {0} value please", "Can you give me the current {0}"],
    "dated": ["when was {0} last checked and what was it?", "most recent {0} with the date"],
    "first": ["first {0} on record?", "What was the earliest recorded {0}?"],
    "high": ["highest {0} ever, with date", "What was the peak {0} and when?"],
    "low": ["lowest {0} and the date?", "When was {0} at its lowest, and what was it?"],
    "count": ["how many times has {0} been measured?", "number of {0} results on file"],
    "trend": ["last three {0} values with dates", "Show the {0} trend, three most recent results"],
    "year": ["{0} results in {1}", "What were the {0} values during {1}?"],
    "bp": ["latest blood pressure?", "BP?", "What was the last blood pressure reading?"],
    "meds": ["active medications?", "What drugs is the patient on right now?", "current med list"],
    "problems": ["active problem list", "What active conditions are there?"],
    "allergies": ["allergies?", "List the recorded allergies."],
    "when": ["when was {0} first diagnosed?", "date of the first {0} diagnosis"],
    "age": ["how old was the patient at the first {0} diagnosis?", "age when {0} was first diagnosed?"],
    "vaccine": ["when was the last {0} vaccine?", "date of the most recent {0} shot"],
    "vaccines": ["how many {0} vaccine doses are recorded?"],
    "er": ["how many emergency visits?", "number of ER encounters on record"],
    "seen": ["when was the patient last seen?", "date of the last encounter"],
    "birth": ["date of birth?", "How old is the patient and what's the DOB?"],
    "phone": ["phone number?"],
    "has": ["any history of {0}?", "has the patient ever been diagnosed with {0}?"],
    "takes": ["is the patient on {0}?", "ever been given {0}?"],
}
KO = {
    "latest": ["최근 {0} 수치?", "{0} 마지막 값 알려줘", "{0} 지금 얼마예요?", "가장 최근 {0} 결과 부탁드립니다"],
    "dated": ["{0} 마지막으로 언제 쟀고 얼마였나요?", "최근 {0} 값이랑 날짜"],
    "first": ["{0} 첫 측정값은?", "기록상 제일 처음 {0} 얼마였어?"],
    "high": ["{0} 최고치랑 날짜", "{0} 가장 높았던 때 언제고 얼마였나요"],
    "low": ["{0} 최저치랑 날짜", "{0} 가장 낮았던 게 언제 얼마?"],
    "count": ["{0} 총 몇 번 측정했나요?", "{0} 검사 횟수"],
    "trend": ["{0} 최근 3회 결과 날짜랑 같이", "{0} 추이 마지막 세 번만 보여줘"],
    "year": ["{1}년 {0} 결과", "{1}년에 측정한 {0} 다 보여주세요"],
    "bp": ["최근 혈압?", "마지막 혈압 얼마였어요?", "혈압 알려줘"],
    "meds": ["현재 복용약?", "지금 먹고 있는 약 목록", "활성 처방 다 알려주세요"],
    "problems": ["활성 문제 목록", "현재 앓고 있는 진단명 모두"],
    "allergies": ["알레르기?", "알레르기 기록 알려줘"],
    "when": ["{0} 처음 진단된 날짜?", "{0} 언제 처음 진단받았나요"],
    "age": ["{0} 처음 진단될 때 몇 살이었어요?"],
    "vaccine": ["{0} 백신 마지막 접종일?", "{0} 접종 마지막으로 언제 했나요"],
    "vaccines": ["{0} 백신 몇 번 맞았나요?"],
    "er": ["응급실 방문 몇 번이에요?", "응급실 내원 횟수"],
    "seen": ["마지막 진료일이 언제인가요?", "마지막으로 내원한 날"],
    "birth": ["생년월일?", "나이랑 생년월일 알려줘"],
    "phone": ["연락처?"],
    "has": ["{0} 병력 있나요?", "{0} 진단받은 적 있어?"],
    "takes": ["{0} 복용 중인가요?", "{0} 쓴 적 있어요?"],
}


def candidates(chart, rng, dataset):
    """(kind, phrase key, names in both languages, query) for one chart, in a shuffled order."""
    out = []
    labs = [row for row in LABS if chart.obs(row[0])]
    rng.shuffle(labs)
    for code, en, ko, _ in labs:
        entries = chart.obs(code)
        words = (rng.choice(en), rng.choice(ko))
        out += [("latest", "latest", words, f"value(c.obs({code!r}))"),
                ("latest", "dated", words, f"value(c.obs({code!r}), dated=True)")]
        if len({e.at for e in entries}) >= 2 and code != "8302-2":  # the height of an adult is the same each time
            out += [("first", "first", words, f"value(c.obs({code!r}), 0)"),
                    ("extreme", "high", words, f"extreme(c.obs({code!r}), True, dated=True)"),
                    ("extreme", "low", words, f"extreme(c.obs({code!r}), False, dated=True)")]
        if 2 <= len({e.at for e in entries}) == len(entries) <= 30:
            out.append(("count", "count", words, f"count(c.obs({code!r}))"))
        if len({e.at for e in entries}) == len(entries) >= 3 and code != "8302-2":
            out.append(("trend", "trend", words, f"series(c.obs({code!r})[-3:])"))
            y = rng.choice(entries).day[:4]
            if len(gold.year(entries, y)) <= 5:
                out.append(("between", "year", tuple((w, y) for w in words), f"series(year(c.obs({code!r}), {y}))"))
    out += [("latest", "bp", ("", ""), "pressure(c)")] * 3
    alive = not chart.patient.get("deceasedDateTime")
    if alive and 1 <= len(gold.uniq(chart.meds(status="active"))) <= 10:
        out += [("list", "meds", ("", ""), 'names(c.meds(status="active"))')] * 4
    if alive and 1 <= len(gold.uniq(chart.problems(state="active"))) <= 10:
        out += [("list", "problems", ("", ""), "listed(c)")] * 4
    if 1 <= len(chart.allergies()) <= 12 and all(e.status == "active" for e in chart.allergies()):
        out += [("allergies", "allergies", ("", ""), "names(c.allergies())")] * 4
    for en, ko, rx in CONDITIONS:
        found = chart.problems(rx)
        if found and len(found[0].day) == 10:
            out.append(("when", "when", (en, ko), f"day(c.problems({rx!r}), 0)"))
            out.append(("age", "age", (en, ko), f"age(c, c.problems({rx!r})[0].day, refs(c.problems({rx!r})))"))
    for en, ko, rx in VACCINES:
        if chart.imms(rx):
            out.append(("immunizations", "vaccine", (en, ko), f"day(c.imms({rx!r}))"))
            out.append(("immunizations", "vaccines", (en, ko), f"count(c.imms({rx!r}))"))
    if 1 <= len(chart.encs(cls="EMER")) <= 12:
        out.append(("encounters", "er", ("", ""), 'count(c.encs(cls="EMER"))'))
    if dataset != "demo" and alive:
        out.append(("encounters", "seen", ("", ""), "day(c.encs())"))
    out.append(("demographics", "birth", ("", ""), 'person(c, "birth")'))
    if any(t.get("system") == "phone" for t in chart.patient.get("telecom", [])):
        out.append(("demographics", "phone", ("", ""), 'person(c, "phone")'))
    rng.shuffle(out)
    return out


def unanswerable(chart, rng, dataset):
    out = []
    for code, en, ko, rx in ABSENT_LABS + LABS:
        if not chart.obs(code, off=True) and not chart.obs(rx, off=True):
            out.append(("latest", (rng.choice(en), rng.choice(ko)), f"value(c.obs({code!r}) + c.obs({rx!r}))"))
    for en, ko, rx in ABSENT_CONDITIONS:
        if not chart.conds(rx, off=True) and not chart.family(rx) and not any(
                gold.re.search(rx, e.text, gold.re.I) for e in chart.notes(off=True) + chart.reports(off=True)):
            out.append(("has", (en, ko), f"ever(c.conds({rx!r}))"))
    for en, ko, rx in ABSENT_DRUGS:
        if not chart.meds(rx, off=True) and not any(
                gold.re.search(rx, e.text, gold.re.I) for e in chart.notes(off=True)):
            out.append(("takes", (en, ko), f"named(c.meds({rx!r}))"))
    if not chart.allergies(off=True) and dataset != "fhir/bulk-10-patients":
        out.append(("allergies", ("", ""), "names(c.allergies())"))
    for row in OUTSIDE:
        if row[4] and dataset == "fhir/synthea-2019":
            continue  # those charts hold claims with amounts
        out.append((row, None, "none()"))
    rng.shuffle(out)
    return out


def make(data, demo, seed, count):
    rng = random.Random(seed)
    jobs = []
    for dataset, patients in DATASETS + ([("demo", 12)] if demo else []):
        charts = load_dataset(data, demo, dataset)
        pids = sorted(p for p in charts if not charts[p].merged)
        for pid in rng.sample(pids, min(patients, len(pids))):
            jobs.append((dataset, pid, charts[pid]))
    plain = [j for j in jobs if j[0] != "demo"]
    own = [j for j in jobs if j[0] == "demo"]
    out = fill_up(plain, count, rng) + fill_up(own, count // 3 if own else 0, rng)
    for n, row in enumerate(out, 1):
        row["id"] = f"g{n:03}" if row["dataset"] != "demo" else f"gd{n:03}"
    return [{"id": r.pop("id"), **r} for r in out]


def fill_up(jobs, count, rng):
    out, seen, kinds, turn = [], set(), {}, 0
    pools = {}
    while len(out) < count and jobs and turn < 60 * count:
        dataset, pid, chart = jobs[turn % len(jobs)]
        turn += 1
        lost = len(out) % 4 == 3
        key = (dataset, pid, lost)
        if key not in pools:
            pools[key] = unanswerable(chart, rng, dataset) if lost else candidates(chart, rng, dataset)
        if not pools[key]:
            continue
        # the kind asked least so far, so that latest values do not drown the rest
        if lost:
            phrase, words, query = pools[key].pop()
            kind = "unanswerable"
        else:
            at = min(range(len(pools[key])), key=lambda i: kinds.get(pools[key][i][0], 0))
            kind, phrase, words, query = pools[key].pop(at)
        lang = "en" if (len(out) + len(out) // 4) % 2 == 0 else "ko"
        if isinstance(phrase, tuple):
            question = phrase[1] if lang == "en" else phrase[3]
        else:
            word = words[0] if lang == "en" else words[1]
            question = rng.choice((EN if lang == "en" else KO)[phrase]).format(*(word if isinstance(word, tuple) else (word,)))
        if (dataset, pid, query) in seen:
            continue
        try:
            answer = gold.evaluate(query, chart)
        except AssertionError:
            continue
        if answer["abstain"] != (kind == "unanswerable"):
            continue
        if phrase == "birth" and "나이" not in question and "How old" not in question:
            pass
        elif phrase == "birth":
            if chart.patient.get("deceasedDateTime"):
                continue
            query = 'person(c, "birth", "age")'
            answer = gold.evaluate(query, chart)
        seen.add((dataset, pid, query))
        kinds[kind] = kinds.get(kind, 0) + 1
        out.append({"dataset": dataset, "patient": pid, "lang": lang, "question": question, "kind": kind, "query": query,
                    "gold": answer, "note": "from a template"})
    return out


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--data", required=True)
    args.add_argument("--demo")
    args.add_argument("--seed", type=int, default=2101)
    args.add_argument("--count", type=int, default=240)
    args.add_argument("--out", default=os.path.join(HERE, "generated.jsonl"))
    args.add_argument("--check", action="store_true", help="compare with the file that stands instead of writing it")
    args = args.parse_args()
    lines = [json.dumps(r, ensure_ascii=False, default=str) for r in make(args.data, args.demo, args.seed, args.count)]
    if args.check:
        with open(args.out, encoding="utf-8") as handle:
            same = handle.read().splitlines() == lines
        print(f"{len(lines)} questions, {'the same' if same else 'not the same'}")
        sys.exit(not same)
    with open(args.out, "w", encoding="utf-8") as handle:
        handle.write("\n".join(lines) + "\n")
    print(f"{len(lines)} questions in {args.out}")


if __name__ == "__main__":
    main()
