"""Reads raw FHIR R4 JSON into one chart per patient and answers small, explicit queries over it.

Standard library only, and nothing shared with the appliance: the answers computed here are what the appliance is
measured against. Numbers keep the digits of the file, dates are the calendar days of Asia/Seoul, and "now" is fixed.
"""
import base64
import datetime as dt
import glob
import gzip
import html
import json
import os
import re
from decimal import Decimal

try:
    from zoneinfo import ZoneInfo
    SEOUL = ZoneInfo("Asia/Seoul")
except Exception:  # no time zone database on this machine
    SEOUL = dt.timezone(dt.timedelta(hours=9))
FIXED = dt.timezone(dt.timedelta(hours=9))
NOW = dt.datetime(2026, 11, 24, 9, 0, tzinfo=FIXED)
TODAY = NOW.date()

OFF = {"entered-in-error", "cancelled", "refuted", "nullified", "not-done", "unknown-error"}
SHARED = {"Organization", "Practitioner", "PractitionerRole", "Location", "Medication", "Endpoint", "HealthcareService"}


# ---------------------------------------------------------------- reading

def _loads(text):
    return json.loads(text, parse_float=Decimal)


def _open(path):
    return gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8")


def _uuid(ref):
    return ref[len("urn:uuid:"):] if ref.startswith("urn:uuid:") else ref


def read_folder(folder):
    """Every resource under a folder (or in one file) as {ref, raw}; ref is Type/id, or Type/uuid of the fullUrl."""
    files = [folder] if os.path.isfile(folder) else sorted(
        f for f in glob.glob(os.path.join(folder, "**", "*"), recursive=True)
        if re.search(r"\.(json|ndjson)(\.gz)?$", f))
    out = []
    for path in files:
        with _open(path) as handle:
            if ".ndjson" in path:
                docs = [_loads(line) for line in handle if line.strip()]
            else:
                docs = [_loads(handle.read())]
        for doc in docs:
            if doc.get("resourceType") == "Bundle":
                for entry in doc.get("entry", []):
                    raw = entry.get("resource")
                    if not raw:
                        continue
                    full = entry.get("fullUrl", "")
                    rid = raw.get("id") or _uuid(full.rsplit("/", 1)[-1] if full.startswith("http") else full)
                    out.append({"ref": f"{raw['resourceType']}/{rid}", "full": full, "raw": raw})
            elif doc.get("resourceType"):
                out.append({"ref": f"{doc['resourceType']}/{doc.get('id')}", "full": "", "raw": doc})
    return out


def _subject(raw):
    for key in ("subject", "patient", "beneficiary", "individual"):
        ref = raw.get(key)
        if isinstance(ref, dict) and ref.get("reference"):
            return ref["reference"]
    if raw.get("resourceType") == "Appointment":
        for part in raw.get("participant", []):
            ref = part.get("actor", {}).get("reference", "")
            if "Patient" in ref:
                return ref
    return None


def load(folder):
    """{patient id: Chart} of one data folder."""
    rows = read_folder(folder)
    by_full = {r["full"]: r["ref"] for r in rows if r["full"]}
    charts, shared, later = {}, {}, []
    for row in rows:
        if row["raw"]["resourceType"] == "Patient":
            pid = row["ref"].split("/", 1)[1]
            charts.setdefault(pid, Chart(pid, row["raw"], shared))
    for row in rows:
        kind = row["raw"]["resourceType"]
        if kind == "Patient":
            continue
        ref = _subject(row["raw"])
        if ref is None:
            (shared.__setitem__(row["ref"], row["raw"]) if kind in SHARED else later.append(row))
            continue
        ref = by_full.get(ref, ref)
        pid = _uuid(ref.split("/", 1)[-1])
        if pid in charts:
            charts[pid].add(row["ref"], row["raw"])
    # resources without a subject of their own (Provenance) belong where their target is
    for row in later:
        for target in row["raw"].get("target", []):
            ref = by_full.get(target.get("reference"), target.get("reference"))
            for chart in charts.values():
                if ref in chart.raw:
                    chart.add(row["ref"], row["raw"])
    for chart in charts.values():
        chart.by_full = by_full
    # a chart that was merged into another one: what was written in it is the other one's
    for pid, chart in charts.items():
        for link in chart.patient.get("link", []):
            other = by_full.get(link["other"].get("reference"), link["other"].get("reference", ""))
            other = charts.get(_uuid(other.split("/", 1)[-1]))
            if link.get("type") == "replaced-by" and other is not None:
                other.raw.update({k: v for k, v in chart.raw.items() if k not in other.raw})
                chart.merged = True
    return charts


# ---------------------------------------------------------------- dates

def when(text):
    """A FHIR date or dateTime as (datetime in Seoul or None, local ISO text with the precision of the source)."""
    if not text:
        return None, None
    if re.fullmatch(r"\d{4}(-\d\d){0,2}", text):
        full = text + "-01" * (3 - len(text.split("-")))
        return dt.datetime.fromisoformat(full).replace(tzinfo=FIXED), text
    stamp = dt.datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", text.replace("Z", "+00:00")))
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=FIXED)
    local = stamp.astimezone(SEOUL)
    return local, local.date().isoformat()


MONTHS = "January February March April May June July August September October November December".split()


def date_forms(iso):
    """All the ways a date may be written in an answer."""
    parts = [int(x) for x in iso.split("-")]
    if len(parts) == 1:
        return [iso]
    y, m = parts[0], parts[1]
    name = MONTHS[m - 1]
    if len(parts) == 2:
        return [f"{y}-{m:02}", f"{y}.{m:02}", f"{y}년 {m}월", f"{name} {y}", f"{name[:3]} {y}"]
    d = parts[2]
    return [f"{y}-{m:02}-{d:02}", f"{y}.{m:02}.{d:02}", f"{y}. {m}. {d}", f"{y}/{m:02}/{d:02}",
            f"{y}년 {m}월 {d}일", f"{y}년 {m:02}월 {d:02}일",
            f"{name} {d}, {y}", f"{d} {name} {y}", f"{name[:3]} {d}, {y}", f"{d} {name[:3]} {y}"]


def num_forms(value):
    text = str(value)
    forms = [text]
    if "." in text and "E" not in text:
        short = text.rstrip("0").rstrip(".")
        if short not in forms:
            forms.append(short)
    elif text.lstrip("-").isdigit() and len(text.lstrip("-")) > 3:
        forms.append(f"{int(text):,}")
    return forms


UNIT_SAME = {
    "mm[Hg]": ["mmHg", "mm Hg"], "mmHg": ["mm[Hg]"], "kg/m2": ["kg/m^2", "kg/m²"], "/min": ["bpm", "회/분", "beats/min"],
    "Cel": ["°C", "℃"], "mL/min/{1.73_m2}": ["mL/min/1.73m2", "mL/min/1.73 m2", "mL/min/1.73m²"],
    "{score}": ["score", "점"], "10*3/uL": ["10^3/uL", "x10^3/uL", "10³/µL", "K/uL"], "10*6/uL": ["10^6/uL", "10⁶/µL"],
    "ug/dL": ["µg/dL", "μg/dL"], "umol/L": ["µmol/L", "μmol/L"],
}


def unit_forms(*units):
    out = []
    for unit in units:
        for form in [unit] + UNIT_SAME.get(unit or "", []):
            if form and form not in out:
                out.append(form)
    return out


# ---------------------------------------------------------------- entries

def concept_names(concept):
    out = []
    for coding in (concept or {}).get("coding", []):
        if coding.get("display"):
            out.append(coding["display"])
        for ext in coding.get("_display", {}).get("extension", []):
            for inner in ext.get("extension", []):
                if inner.get("valueString"):
                    out.append(inner["valueString"])
    if (concept or {}).get("text"):
        out.append(concept["text"])
    return list(dict.fromkeys(n.replace("\u200b", "") for n in out))


def concept_codes(concept):
    return [c.get("code") for c in (concept or {}).get("coding", []) if c.get("code")]


def _plain(name):
    """A display without its SNOMED tag: 'Anemia (disorder)' may be written 'Anemia'."""
    return re.sub(r"\s*\((disorder|finding|procedure|situation|physical object|regime/therapy|person|substance|"
                  r"morphologic abnormality|event|qualifier value|record artifact|environment)\)\s*$", "", name)


def name_forms(names):
    out = []
    for name in names:
        for form in (_plain(name), name):
            if form not in out:
                out.append(form)
    return out


class Entry:
    """One resource of a chart in the terms the queries speak."""

    def __init__(self, ref, raw, names, codes, start, end=None, status=None, value=None, units=(), raw_when=None):
        self.ref, self.raw, self.names, self.codes = ref, raw, names, codes
        self.at, self.day = when(start)
        self.end_at, self.end_day = when(end)
        self.status, self.value, self.units = status, value, list(units)
        self.also = []  # further references that say the same

    def __repr__(self):
        return f"<{self.ref} {self.day} {self.names[:1]} {self.value or ''} {self.units[:1]} {self.status or ''}>"

    @property
    def name(self):
        return self.names[0] if self.names else ""

    def num(self):
        return Decimal(str(self.value))


class Words(str):
    """A coded value: the first of its names, knowing the others."""

    def __new__(cls, names):
        self = super().__new__(cls, names[0])
        self.names = names
        return self


def _value(raw):
    """(value text or None, units) of an Observation or of a component."""
    if "valueQuantity" in raw:
        q = raw["valueQuantity"]
        if q.get("value") is None:
            return None, []
        return q.get("comparator", "") + str(q["value"]), [u for u in (q.get("unit"), q.get("code")) if u]
    for key in ("valueInteger", "valueDateTime", "valueString", "valueBoolean", "valueTime"):
        if key in raw:
            return str(raw[key]), []
    if "valueCodeableConcept" in raw:
        names = concept_names(raw["valueCodeableConcept"])
        return (Words(names) if names else None), []
    return None, []


class Chart:
    def __init__(self, pid, patient, shared):
        self.pid, self.patient, self.shared = pid, patient, shared
        self.raw = {f"Patient/{pid}": patient}
        self.by_full = {}
        self.merged = patient.get("active") is False

    def add(self, ref, raw):
        self.raw[ref] = raw

    def of(self, kind):
        return [(ref, raw) for ref, raw in self.raw.items() if raw["resourceType"] == kind]

    def link(self, reference):
        """The resource a reference points at, in this chart or among what all charts share."""
        ref = self.by_full.get(reference, reference)
        return self.raw.get(ref) or self.shared.get(ref)

    # ---- the kinds
    def obs(self, rx, off=False):
        """Observations (also components of panels) whose code or name matches; only those with a value."""
        out = []
        for ref, raw in self.of("Observation"):
            if not off and raw.get("status") in OFF:
                continue
            start = raw.get("effectiveDateTime") or raw.get("effectivePeriod", {}).get("start") \
                or raw.get("effectiveInstant") or raw.get("issued")
            for part in [raw] + raw.get("component", []):
                names, codes = concept_names(part.get("code")), concept_codes(part.get("code"))
                if not _match(rx, names, codes):
                    continue
                value, units = _value(part)
                if value is None:
                    continue
                entry = Entry(ref, raw, names, codes, start, None, raw.get("status"), value, units)
                entry.part = part
                out.append(entry)
        return _sorted(out)

    def conds(self, rx=".", state=None, off=False):
        out = []
        for ref, raw in self.of("Condition"):
            verification = (concept_codes(raw.get("verificationStatus")) or [None])[0]
            clinical = (concept_codes(raw.get("clinicalStatus")) or [None])[0]
            if verification in OFF and not off:
                continue
            names, codes = concept_names(raw.get("code")), concept_codes(raw.get("code"))
            if not _match(rx, names, codes):
                continue
            if state == "active" and clinical not in ("active", "recurrence", "relapse"):
                continue
            if state == "resolved" and clinical not in ("resolved", "inactive", "remission"):
                continue
            start = raw.get("onsetDateTime") or raw.get("onsetPeriod", {}).get("start") or raw.get("recordedDate")
            entry = Entry(ref, raw, names, codes, start, raw.get("abatementDateTime"), clinical)
            entry.verification = verification
            entry.recorded = when(raw.get("recordedDate"))[1]
            entry.category = [c for k in raw.get("category", []) for c in concept_codes(k)]
            out.append(entry)
        return _sorted(out)

    def problems(self, rx=".", state=None):
        """Entries of the problem list (category problem-list-item); all conditions where no category says so."""
        found = self.conds(rx, state)
        listed = [e for e in found if "problem-list-item" in e.category]
        return listed or ([] if any("problem-list-item" in e.category for e in self.conds()) else found)

    def meds(self, rx=".", status=None, off=False):
        out = []
        for ref, raw in self.of("MedicationRequest") + self.of("MedicationStatement"):
            if not off and raw.get("status") in OFF:
                continue
            concept = raw.get("medicationCodeableConcept")
            also = []
            if concept is None and raw.get("medicationReference"):
                reference = raw["medicationReference"].get("reference") or ""
                own = [x for x in raw.get("contained", []) if reference == "#" + x.get("id", "?")]
                target = own[0] if own else self.link(reference)
                concept = dict((target or {}).get("code") or {}) or None
                shown = raw["medicationReference"].get("display")
                if concept and shown and shown not in concept_names(concept):
                    concept["text"] = concept.get("text") or shown
                if concept is None:
                    concept = {"text": raw["medicationReference"].get("display")}
            names, codes = concept_names(concept), concept_codes(concept)
            if not _match(rx, names, codes):
                continue
            if status and raw.get("status") != status:
                continue
            entry = Entry(ref, raw, names, codes, raw.get("authoredOn") or raw.get("effectiveDateTime")
                          or raw.get("effectivePeriod", {}).get("start"), None, raw.get("status"))
            entry.also = also
            out.append(entry)
        return _sorted(out)

    def allergies(self, rx=".", off=False):
        out = []
        for ref, raw in self.of("AllergyIntolerance"):
            verification = (concept_codes(raw.get("verificationStatus")) or [None])[0]
            if verification in OFF and not off:
                continue
            names, codes = concept_names(raw.get("code")), concept_codes(raw.get("code"))
            if not _match(rx, names, codes):
                continue
            entry = Entry(ref, raw, names, codes, raw.get("onsetDateTime") or raw.get("recordedDate"), None,
                          (concept_codes(raw.get("clinicalStatus")) or [None])[0])
            entry.verification = verification
            out.append(entry)
        return _sorted(out)

    def procs(self, rx=".", off=False):
        out = []
        for ref, raw in self.of("Procedure"):
            if not off and raw.get("status") in OFF:
                continue
            names, codes = concept_names(raw.get("code")), concept_codes(raw.get("code"))
            if _match(rx, names, codes):
                period = raw.get("performedPeriod", {})
                out.append(Entry(ref, raw, names, codes, raw.get("performedDateTime") or period.get("start"),
                                 period.get("end"), raw.get("status")))
        return _sorted(out)

    def imms(self, rx=".", off=False):
        out = []
        for ref, raw in self.of("Immunization"):
            if not off and raw.get("status") in OFF:
                continue
            names, codes = concept_names(raw.get("vaccineCode")), concept_codes(raw.get("vaccineCode"))
            if _match(rx, names, codes):
                out.append(Entry(ref, raw, names, codes, raw.get("occurrenceDateTime"), None, raw.get("status")))
        return _sorted(out)

    def encs(self, rx=".", cls=None, off=False):
        out = []
        for ref, raw in self.of("Encounter"):
            if not off and raw.get("status") in OFF:
                continue
            names = [n for t in raw.get("type", []) for n in concept_names(t)]
            codes = [c for t in raw.get("type", []) for c in concept_codes(t)]
            klass = raw.get("class", {}).get("code")
            if cls and klass not in cls.split("|"):
                continue
            if not _match(rx, names or [""], codes):
                continue
            period = raw.get("period", {})
            entry = Entry(ref, raw, names, codes, period.get("start"), period.get("end"), raw.get("status"))
            entry.klass = klass
            out.append(entry)
        return _sorted(out)

    def reports(self, rx=".", off=False):
        out = []
        for ref, raw in self.of("DiagnosticReport"):
            if not off and raw.get("status") in OFF:
                continue
            names, codes = concept_names(raw.get("code")), concept_codes(raw.get("code"))
            if _match(rx, names, codes):
                entry = Entry(ref, raw, names, codes, raw.get("effectiveDateTime")
                              or raw.get("effectivePeriod", {}).get("start") or raw.get("issued"), None,
                              raw.get("status"))
                entry.text = "\n".join([raw.get("conclusion", "")] + attachments(raw))
                out.append(entry)
        return _sorted(out)

    def notes(self, rx=".", off=False):
        """DocumentReferences by type name, with their decoded text."""
        out = []
        for ref, raw in self.of("DocumentReference"):
            if not off and (raw.get("status") in OFF or raw.get("docStatus") in OFF):
                continue
            names, codes = concept_names(raw.get("type")), concept_codes(raw.get("type"))
            if _match(rx, names or [""], codes):
                entry = Entry(ref, raw, names, codes, raw.get("date")
                              or raw.get("context", {}).get("period", {}).get("start"), None, raw.get("status"))
                entry.text = "\n".join(attachments(raw))
                out.append(entry)
        return _sorted(out)

    def any(self, kind, rx=".", off=False):
        """Any other resource type by its code."""
        out = []
        for ref, raw in self.of(kind):
            if not off and raw.get("status") in OFF:
                continue
            concept = raw.get("code") or raw.get("type") or raw.get("description") or raw.get("vaccineCode")
            if isinstance(concept, list):
                concept = concept[0]
            if not isinstance(concept, dict):
                concept = {"text": concept}
            extra = [n for c in raw.get("category", []) + raw.get("serviceType", []) if isinstance(c, dict)
                     for n in concept_names(c)]
            names = concept_names(concept) + extra
            if _match(rx, names or [""], concept_codes(concept)):
                period = raw.get("period", {})
                out.append(Entry(ref, raw, names, concept_codes(concept),
                                 raw.get("occurrenceDateTime") or raw.get("authoredOn") or raw.get("start")
                                 or raw.get("startDate") or period.get("start") or raw.get("started")
                                 or raw.get("date"), period.get("end") or raw.get("end"), raw.get("status")))
        return _sorted(out)

    def family(self, rx=".", off=False):
        out = []
        for ref, raw in self.of("FamilyMemberHistory"):
            if not off and raw.get("status") in OFF:
                continue
            for cond in raw.get("condition", []):
                names = concept_names(cond.get("code"))
                if _match(rx, names, concept_codes(cond.get("code"))):
                    entry = Entry(ref, raw, names, [], raw.get("date"), None, raw.get("status"))
                    entry.relation = concept_names(raw.get("relationship"))
                    out.append(entry)
        return out

    # ---- the person
    def birth(self):
        return self.patient.get("birthDate")

    def age_on(self, day):
        b = dt.date.fromisoformat(self.birth())
        d = dt.date.fromisoformat(day)
        return d.year - b.year - ((d.month, d.day) < (b.month, b.day))


def attachments(raw):
    """The decoded texts of a resource's attachments."""
    out = []
    found = [c.get("attachment", {}) for c in raw.get("content", []) if isinstance(c, dict)] + raw.get("presentedForm", [])
    for att in found:
        if att.get("data"):
            blob = base64.b64decode(att["data"])
            charset = re.search(r"charset=([\w-]+)", att.get("contentType", ""))
            for name in ([charset.group(1)] if charset else []) + ["utf-8", "cp949"]:
                try:
                    text = blob.decode(name)
                    break
                except (UnicodeDecodeError, LookupError):
                    text = ""
            if "html" in att.get("contentType", "") or "xml" in att.get("contentType", ""):
                text = html.unescape(re.sub(r"<[^>]+>", " ", text))
            out.append(text)
    return out


def _match(rx, names, codes):
    """rx is a code, several codes joined by '|' , or a case-insensitive regular expression over names."""
    if rx == ".":
        return True
    if any(code in rx.split("|") for code in codes):
        return True
    if re.fullmatch(r"[\d\-|]+", rx):
        return False
    return any(re.search(rx, name, re.I) for name in names)


def _sorted(entries):
    floor = dt.datetime(1800, 1, 1, tzinfo=FIXED)
    return sorted(entries, key=lambda e: (e.at or floor))


# ---------------------------------------------------------------- windows

def between(entries, first, last):
    """Entries whose local day lies in [first, last] (ISO days)."""
    return [e for e in entries if e.day and first <= (e.day + "-01-01")[:10] <= last]


def year(entries, y):
    return between(entries, f"{y}-01-01", f"{y}-12-31")


def month(entries, y, m):
    return [e for e in entries if e.day and e.day.startswith(f"{y}-{m:02}")]


def since(entries, days):
    return between(entries, (TODAY - dt.timedelta(days=days)).isoformat(), TODAY.isoformat())


def above(entries, limit):
    return [e for e in entries if e.num() > Decimal(str(limit))]


def below(entries, limit):
    return [e for e in entries if e.num() < Decimal(str(limit))]


def flagged(entries):
    """Entries that carry an abnormal interpretation code."""
    bad = {"H", "L", "HH", "LL", "A", "AA", "HU", "LU"}
    return [e for e in entries
            if set(concept_codes_list(getattr(e, "part", e.raw).get("interpretation", e.raw.get("interpretation", [])))) & bad]


def concept_codes_list(concepts):
    return [c for concept in (concepts or []) for c in concept_codes(concept)]


def uniq(entries):
    """One entry a name: the last of each (names compared without case)."""
    seen = {}
    for e in entries:
        seen[e.name.lower()] = e
    return list(seen.values())


# ---------------------------------------------------------------- gold answers

def gold(must, sources, min_sources=1, abstain=False, must_not=()):
    return {"abstain": abstain, "must": [list(dict.fromkeys(g)) for g in must], "must_not": list(must_not),
            "sources": list(dict.fromkeys(sources)), "min_sources": min_sources}


def none(must_not=()):
    """Nothing in the record: the answer must abstain."""
    return {"abstain": True, "must": [], "must_not": list(must_not), "sources": [], "min_sources": 0}


def refs(entries):
    return [r for e in entries for r in [e.ref] + e.also]


def value_of(entry):
    if isinstance(entry.value, Words):
        return name_forms(entry.value.names)
    return num_forms(entry.value) if re.fullmatch(r"[<>=]*-?[\d.E+-]+", entry.value) else [entry.value, _plain(entry.value)]


def value(entries, which=-1, unit=True, dated=False, name=None):
    """The value (with its unit) of one of the entries: -1 the latest, 0 the first. Same-moment twins count too."""
    if not entries:
        return none()
    e = entries[which]
    twins = [x for x in entries if x.at == e.at]
    must = [[f for t in twins for f in value_of(t)]]
    if unit and e.units:
        must.append(unit_forms(*e.units))
    if dated:
        must.append(date_forms(e.day))
    return gold(must, refs(twins))


def pressure(chart, which=-1, first=None, last=None, dated=False):
    """Systolic and diastolic pressure of one moment."""
    top = chart.obs("8480-6")
    low = chart.obs("8462-4")
    if first:
        top, low = between(top, first, last), between(low, first, last)
    if not top:
        return none()
    t = top[which]
    same = [x for x in low if x.at == t.at]
    tops = [x for x in top if x.at == t.at]
    must = [[f for x in tops for f in value_of(x)], [f for x in same for f in value_of(x)]]
    if dated:
        must.append(date_forms(t.day))
    return gold(must, refs(tops) + refs(same))


def pressures(chart, first, last, most=6):
    """All blood pressures between two days."""
    top, low = between(chart.obs("8480-6"), first, last), between(chart.obs("8462-4"), first, last)
    if not top:
        return none()
    assert len(top) <= most
    must = [value_of(e) for e in top + low] + [date_forms(e.day) for e in top]
    return gold(must, refs(top) + refs(low), len({e.ref for e in top}))


def series(entries, most=12, dated=True):
    """All values with their days."""
    if not entries:
        return none()
    assert len(entries) <= most, f"{len(entries)} values are too many to ask for"
    must = []
    for e in entries:
        must.append(value_of(e))
        if dated:
            must.append(date_forms(e.day))
    return gold(must, refs(entries), len({e.ref for e in entries}))


def extreme(entries, top, dated=False, unit=False):
    """The highest (top=True) or lowest value; ties all count as evidence."""
    if not entries:
        return none()
    best = (max if top else min)(e.num() for e in entries)
    hits = [e for e in entries if e.num() == best]
    must = [value_of(hits[0])]
    if unit and hits[0].units:
        must.append(unit_forms(*hits[0].units))
    if dated:
        must.append([f for e in hits for f in date_forms(e.day)])
    return gold(must, refs(hits))


def count(entries, all_refs=True):
    if not entries:
        return none()
    n = len(entries)
    words = "zero one two three four five six seven eight nine ten eleven twelve".split()
    twice = {1: ["once", "한 번", "한번", "한 차례"], 2: ["twice", "두 번", "두번", "두 차례"], 3: ["세 번", "세 차례"],
             4: ["네 번", "네 차례"], 5: ["다섯 번"], 6: ["여섯 번"]}
    return gold([[str(n)] + ([words[n]] if n < 13 else []) + twice.get(n, [])], refs(entries), 1)


def names(entries, most=14, dated=False, per_item=True):
    """The names of all entries (one each)."""
    if not entries:
        return none()
    kept = uniq(entries)
    assert len(kept) <= most, f"{len(kept)} names are too many to ask for"
    must = [name_forms(e.names) for e in kept]
    if dated:
        must += [[f for x in entries if x.name.lower() == e.name.lower() for f in date_forms(x.day)] for e in kept]
    return gold(must, refs(entries), len(kept) if per_item else 1)


def day(entries, which=-1, end=False, name=False):
    """The day of one entry."""
    if not entries:
        return none()
    e = entries[which]
    iso = e.end_day if end else e.day
    must = [date_forms(iso)]
    if name:
        must.append(name_forms(e.names))
    same = [x for x in entries if (x.end_day if end else x.day) == iso]
    return gold(must, refs(same))


def days(entries, most=12, twice=False):
    """The days of all entries (twice: several entries tell the same day, one of each day is enough)."""
    if not entries:
        return none()
    assert len(entries) <= most, f"{len(entries)} days are too many to ask for"
    found = list(dict.fromkeys(e.day for e in entries))
    return gold([date_forms(d) for d in found], refs(entries), len(found) if twice else len({e.ref for e in entries}))


def ever(entries, dated=False):
    """It was so at least once: its name (and, if asked for, the day of one of the entries)."""
    if not entries:
        return none()
    must = [[f for e in entries for f in name_forms(e.names)]]
    if dated:
        must.append([f for e in entries if e.day for f in date_forms(e.day)])
    return gold(must, refs(entries))


def text(alternatives, sources, min_sources=1, must_not=()):
    """Hand-written groups over given sources."""
    groups = [[a] if isinstance(a, str) else list(a) for a in alternatives]
    return gold(groups, sources, min_sources, must_not=must_not)


def age(chart, iso=None, extra=()):
    n = chart.age_on(iso or TODAY.isoformat())
    return gold([[str(n)]], [f"Patient/{chart.pid}"] + list(extra))


def named(entries):
    """The name of at least one of the entries (no day asked for)."""
    if not entries:
        return none()
    return gold([[f for e in entries for f in name_forms(e.names)]], refs(entries))


def both(*golds):
    """Several golds in one answer; if any is empty, the whole abstains."""
    if any(g["abstain"] for g in golds):
        return none()
    sources = [s for g in golds for s in g["sources"]]
    return gold([m for g in golds for m in g["must"]], sources,
                min(sum(g["min_sources"] for g in golds), len(set(sources))), must_not=[n for g in golds for n in g["must_not"]])


def without(g, *words):
    """The same gold, and these words must not stand in the answer."""
    g["must_not"] += list(words)
    return g


def lasted(entries, which=-1):
    """How many days an entry lasted (or both of its days)."""
    if not entries or not entries[which].end_day:
        return none()
    e = entries[which]
    n = (dt.date.fromisoformat(e.end_day) - dt.date.fromisoformat(e.day)).days
    forms = [f"{n} day", f"{n}-day", f"{n}일"]
    if n % 7 == 0:
        forms += [f"{n // 7} week", f"{n // 7}주", f"{n // 7}-week"]
    if n == 7:
        forms += ["일주일", "a week", "one week"]
    return gold([forms], refs([e]))


def held(entries, which=0):
    """Since when, or for how many years, something has been so."""
    if not entries:
        return none()
    e = entries[which]
    start = dt.date.fromisoformat((e.day + "-01-01")[:10])
    years = TODAY.year - start.year - ((TODAY.month, TODAY.day) < (start.month, start.day))
    return gold([date_forms(e.day) + [f"{years} year", f"{years}년"]], refs([e]))


def person(chart, *fields):
    """Demographics as recorded: birth, sex, phone, city, married, died, mrn, name, language, address."""
    p = chart.patient
    must = []
    for field in fields:
        if field == "birth":
            must.append(date_forms(p["birthDate"]))
        elif field == "age":
            must.append([str(chart.age_on(TODAY.isoformat()))])
        elif field == "sex":
            must.append({"female": ["female", "여성", "여자", "woman"], "male": ["male", "남성", "남자", "man"]}[p["gender"]])
        elif field == "phone":
            found = [t["value"] for t in p.get("telecom", []) if t.get("system") == "phone"]
            if not found:
                return none()
            must.append(found)
        elif field == "city":
            if not p.get("address"):
                return none()
            must.append([p["address"][0]["city"]])
        elif field == "address":
            if not p.get("address"):
                return none()
            a = p["address"][0]
            must.append([a["text"]] if a.get("text") else [a["line"][0]])
        elif field == "married":
            if not p.get("maritalStatus"):
                return none()
            words = {"M": ["married", "기혼", "결혼"], "S": ["never married", "미혼", "single"]}
            must.append(words[concept_codes(p["maritalStatus"])[0]])
        elif field == "died":
            if not p.get("deceasedDateTime"):
                return none()
            must.append(date_forms(when(p["deceasedDateTime"])[1]))
        elif field == "language":
            if not p.get("communication"):
                return none()
            must.append(concept_names(p["communication"][0]["language"]))
    return gold(must, [f"Patient/{chart.pid}"])


def _full_name(raw):
    n = (raw.get("name") or [{}])[0] if isinstance(raw.get("name"), list) else {"text": raw.get("name")}
    if n.get("text"):
        return [n["text"]]
    given = " ".join(n.get("given", []))
    return [f"{given} {n.get('family', '')}".strip(), f"{n.get('family', '')}, {given}", f"{n.get('family', '')}{given}",
            f"{n.get('family', '')} {given}"]


def who(chart, entries, which=-1):
    """The clinician of an entry: requester, participant, performer, author or recorder."""
    if not entries:
        return none()
    e = entries[which]
    raw = e.raw
    found = raw.get("requester") or raw.get("recorder") or raw.get("asserter")
    for part in raw.get("participant", []):
        found = found or part.get("individual") or part.get("actor")
    for part in raw.get("performer", []):
        found = found or part.get("actor") or (part if part.get("reference") or part.get("display") else None)
    for part in raw.get("author", []):
        found = found or part
    if not found:
        return none()
    names_ = [re.sub(r"^Dr\. ", "", found["display"])] if found.get("display") else []
    sources = [e.ref]
    target = chart.link(found.get("reference"))
    if target is not None:
        names_ += _full_name(target)
        sources += [k for k, v in chart.shared.items() if v is target]
    return gold([names_], sources)


def where(chart, entries, which=-1):
    """The place of an entry: service provider or location."""
    if not entries:
        return none()
    e = entries[which]
    found = [x.get("location", {}) for x in e.raw.get("location", [])] if isinstance(e.raw.get("location"), list) else []
    found += [e.raw["serviceProvider"]] if e.raw.get("serviceProvider") else []
    names_, sources = [], [e.ref]
    for ref in found:
        if ref.get("display"):
            names_.append(ref["display"])
            names_ += [w for w in ref["display"].split()[:1] if w.endswith("병동")]
        target = chart.link(ref.get("reference"))
        if target is not None:
            names_ += _full_name(target)
            sources += [k for k, v in chart.shared.items() if v is target]
    return gold([[n for n in names_ if n]], sources) if names_ else none()


def why(entries, which=-1):
    """The recorded reason of an entry."""
    if not entries:
        return none()
    e = entries[which]
    found = [n for k in e.raw.get("reasonCode", []) for n in concept_names(k)]
    found += [r["display"] for r in e.raw.get("reasonReference", []) if r.get("display")]
    return gold([name_forms(found)], [e.ref]) if found else none()


def reactions(entries):
    if not entries:
        return none()
    found = [n for e in entries for r in e.raw.get("reaction", []) for m in r.get("manifestation", [])
             for n in [concept_names(m)]]
    return gold([name_forms(n) for n in found], refs(entries)) if found else none()


def abnormal(entries, most=10):
    """The values with an abnormal flag of the latest moment at which any of the entries was taken."""
    if not entries:
        return none()
    hits = flagged([e for e in entries if e.at == entries[-1].at])
    if not hits:
        return none()
    assert len(hits) <= most
    return gold([value_of(e) for e in hits], refs(hits), len({e.ref for e in hits}))


def dosage(entries, which=-1):
    """How a drug is taken, as the prescription says it."""
    if not entries:
        return none()
    e = entries[which]
    lines = [d.get("text") or d.get("patientInstruction") for d in e.raw.get("dosageInstruction", [])]
    lines = [line for line in lines if line]
    return gold([[line] for line in lines], [x.ref for x in entries if x.raw.get("dosageInstruction") ==
                                              e.raw.get("dosageInstruction")]) if lines else none()


def concluded(entries, which=-1):
    """The conclusion of a report, line by line."""
    if not entries:
        return none()
    e = entries[which]
    lines = [line.strip(" -.") for line in e.raw.get("conclusion", "").splitlines() if line.strip()]
    return gold([[line] for line in lines], [e.ref]) if lines else none()


def part(entries, begin, end, which=-1, most=6):
    """The lines of a note between a heading and the next one (regular expressions over whole lines)."""
    if not entries:
        return none()
    e = entries[which]
    lines, on = [], False
    for line in e.text.splitlines():
        if re.search(begin, line):
            on = True
            rest = re.sub(begin, "", line).strip(" :-")
            if rest:
                lines.append(rest)
        elif on and re.search(end, line):
            break
        elif on and line.strip():
            lines.append(re.sub(r"^\d+\. ", "", line.strip(" -")))
    assert len(lines) <= most
    return gold([[line.rstrip(". ")] for line in lines], [e.ref]) if lines else none()


def listed(chart, state="active"):
    """The problem list; the same diagnosis made at a visit is as good a source."""
    found = uniq(chart.problems(state=state))
    if not found:
        return none()
    codes = {c for e in found for c in e.codes}
    same = [e for e in chart.conds() if codes & set(e.codes)]
    return gold([name_forms(e.names) for e in found], refs(found) + refs(same), len(found))


def relatives(entries):
    """Family history: who and what."""
    if not entries:
        return none()
    words = {"father": ["father", "아버지", "부친"], "mother": ["mother", "어머니", "모친"],
             "brother": ["brother", "형제", "오빠", "형", "남동생"], "sister": ["sister", "자매", "누나", "언니", "여동생", "형제"]}
    must = []
    for e in entries:
        must.append(name_forms(e.names))
        who_ = [w for r in e.relation for k, v in words.items() if k in r.lower() for w in v]
        must.append(list(e.relation) + who_)
    different = {(tuple(e.relation), tuple(e.names)) for e in entries}
    return gold([list(g) for g in dict.fromkeys(tuple(g) for g in must)], refs(entries), len(different))


def taken_back(entries):
    """Nothing but entries that were refuted, cancelled or made by mistake: an answer may abstain, or say just that."""
    words = ["refuted", "ruled out", "entered in error", "entered-in-error", "by mistake", "cancelled", "canceled", "배제",
             "오류", "취소", "잘못", "아님", "아닙니다"]
    g = gold([words], refs(entries))
    g["abstain"] = None
    return g if entries else none()


def wrong(entries, kept):
    """Names of entries (read with off=True) that were taken back, unless something that stands has the same name."""
    fine = {n.lower() for e in kept for n in e.names}
    ids = {e.ref for e in kept}
    return [n for e in entries if e.ref not in ids for n in e.names if n.lower() not in fine]


def said(entries, *phrases, all_of=True):
    """Texts (notes, reports) that hold the phrases; the answer must hold them too."""
    hits = [e for e in entries if all(p.lower() in e.text.lower() for p in phrases)]
    if not hits:
        return none()
    return gold([[p] for p in phrases], refs(hits))


def evaluate(query, chart):
    """A query expression over one chart; `c` is the chart."""
    scope = {k: v for k, v in globals().items() if not k.startswith("_")} | {"c": chart}
    return eval(query, {"__builtins__": {}, **scope, **SAFE})  # the expressions are ours, from this folder


def choose(pick, charts):
    """The chart a demo question is about: the nth (from 0), in order of id, of those for which `pick` holds."""
    nth, _, test = pick.partition(":")
    hits = []
    for pid in sorted(p for p in charts if not charts[p].merged):
        try:
            if not test or evaluate(test, charts[pid]):
                hits.append(charts[pid])
        except (IndexError, KeyError, AssertionError, TypeError):
            continue
    return hits[int(nth) % len(hits)] if hits else None


def fill(entry, charts):
    """Patient and gold of a question that is kept as a query; gold stays None where the data has no such patient."""
    chart = choose(entry["pick"], charts)
    if chart is None:
        return entry
    entry["patient"] = chart.pid
    if entry.get("words"):
        entry["question"] = entry["asked"].format(*evaluate(entry["words"], chart))
    try:
        entry["gold"] = evaluate(entry["query"], chart)
    except (IndexError, KeyError, AssertionError):
        entry["gold"] = None
        return entry
    if entry["gold"]["abstain"] and entry["kind"] != "unanswerable":
        entry["gold"] = None  # the generator no longer writes what was asked for: skipped, and counted as such
    elif not entry["gold"]["abstain"] and entry["kind"] == "unanswerable":
        entry["gold"] = None
    return entry


SAFE = {k: getattr(__builtins__, k, None) if not isinstance(__builtins__, dict) else __builtins__[k]
        for k in ("len", "max", "min", "sorted", "sum", "str", "int", "abs", "set", "list", "any", "all", "round", "next", "reversed")}
