#!/usr/bin/env python3
"""Third-party parsers judge the demo hospital: fhir.resources (R4B models) every resource, hl7apy (2.5.1) every message.

    validate.py DIR [--limit N]

DIR is what `haechi demo generate` wrote. Exit code 1 if anything is refused; each refusal names file, resource or message,
and place. The packages and their versions stand in tests/requirements.txt.
"""

import argparse
import collections
import concurrent.futures
import importlib
import json
import pathlib
import re
import sys

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hl7apy.validation import Validator

# 2.5.1 calls these fields IS. Ours carry code, words and system as 2.7 has them (CWE) and as Korean systems send them.
CODED_BEFORE_THEIR_TIME = {"PV1_4", "PV1_10", "PV1_36", "TXA_2"}
CHARSETS = {"KS X 1001": "cp949", "UNICODE UTF-8": "utf-8"}


def fhir_model(kind):
    """The R4B class of a resource type."""
    return getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)


def check_fhir(path, problems, counts):
    bundle = json.loads(path.read_bytes())
    known = set()
    for entry in bundle["entry"]:
        resource = entry["resource"]
        known.add(f"{resource['resourceType']}/{resource['id']}")
    if len(known) != len(bundle["entry"]):
        problems.append(f"{path.name}: an id stands twice")
    for entry in bundle["entry"]:
        resource = entry["resource"]
        name = f"{resource['resourceType']}/{resource['id']}"
        counts[resource["resourceType"]] += 1
        try:
            fhir_model(resource["resourceType"]).model_validate(resource)
        except Exception as error:  # pydantic's own hierarchy: whatever it refuses counts
            problems.append(f"{path.name}: {name}: {error}")
        for reference in references(resource):
            if not reference.startswith("#") and reference not in known:
                problems.append(f"{path.name}: {name} refers to {reference}, which is not in the bundle")
    whole = {**bundle, "entry": []}
    fhir_model("Bundle").model_validate(whole)


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def excused(error):
    """Whether a refusal is about one of the four fields above."""
    return any(re.search(rf"\b{field}\b", error) for field in CODED_BEFORE_THEIR_TIME)


def check_hl7(path, problems, counts):
    data = path.read_bytes()
    last = ""
    for raw in re.split(rb"(?<=\r)(?=MSH\|)", data):
        charset = raw.split(b"\r", 1)[0].split(b"|")[17].decode("ascii")
        text = raw.decode(CHARSETS[charset])
        header = text.split("\r", 1)[0].split("|")
        where = f"{path.name}: {header[9]} {header[8]}"
        counts[header[8]] += 1
        if header[6] < last:
            problems.append(f"{where}: sent before the message that stands before it")
        last = header[6]
        try:
            message = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
        except Exception as error:  # whatever hl7apy refuses counts
            problems.append(f"{where}: {type(error).__name__}: {error}")
            continue
        if message.version != "2.5.1":
            problems.append(f"{where}: version {message.version}")
        errors = structure_errors(message)
        problems.extend(f"{where}: {error}" for error in errors if not excused(error))


def structure_errors(message):
    """All that hl7apy's validator finds; it stops at the first error, so each excused field is taken out and it looks again."""
    plain(message)
    try:
        Validator.validate(message, report_file=None)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    return []


def plain(element):
    """Leaves only the code in the four fields, as 2.5.1 would have it, so that the rest of the message is judged."""
    for child in list(element.children):
        if child.name in CODED_BEFORE_THEIR_TIME:
            child.value = child.to_er7().split("^")[0]
        elif child.classname in ("Group", "Segment"):
            plain(child)


def check_file(path):
    """One file's problems and counts; runs in a process of its own."""
    problems, counts = [], collections.Counter()
    (check_fhir if path.suffix == ".json" else check_hl7)(path, problems, counts)
    return problems, counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--limit", type=int, default=0, help="only the first N patients")
    arguments = parser.parse_args()
    problems, counts, paths = [], collections.Counter(), []
    for folder, pattern in (("fhir", "*.json"), ("hl7", "*.hl7")):
        files = sorted((arguments.folder / folder).glob(pattern))
        if not files:
            problems.append(f"{folder}: nothing to read")
        paths.extend(files[: arguments.limit or None])
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for found, counted in pool.map(check_file, paths):
            problems.extend(found)
            counts.update(counted)
    for name, count in sorted(counts.items()):
        print(f"{count:7} {name}")
    for problem in problems[:50]:
        print(f"refused: {problem}", file=sys.stderr)
    print(f"{sum(counts.values())} resources and messages read, {len(problems)} refused")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
