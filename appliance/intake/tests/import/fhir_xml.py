#!/usr/bin/env python3
"""A third-party writer of FHIR XML: fhir.resources (R4B models) and lxml.

    fhir_xml.py FILE...    for each JSON resource, bundle's entry, or NDJSON line one line {"xml", "json"} of the same object

What the models do not take (the few types that R4B has otherwise) is left out; the last line on stderr counts both.
"""

import gzip
import importlib
import json
import sys


def resources(path):
    data = open(path, "rb").read()
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    documents = [text] if not path.rstrip("gz").rstrip(".").endswith("ndjson") else text.splitlines()
    for document in documents:
        try:
            one = json.loads(document)
        except ValueError:
            continue
        if one.get("resourceType") == "Bundle":
            yield from (entry["resource"] for entry in one.get("entry", []) if "resource" in entry)
        elif "resourceType" in one:
            yield one


def main():
    written = refused = 0
    for path in sys.argv[1:]:
        for one in resources(path):
            kind = one["resourceType"]
            try:
                model = getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
                read = model.model_validate(one)
                xml = read.model_dump_xml()
                pair = {"xml": xml.decode() if isinstance(xml, bytes) else xml, "json": json.loads(read.model_dump_json())}
            except Exception:  # whatever a model refuses, and however
                refused += 1
                continue
            written += 1
            print(json.dumps(pair, ensure_ascii=False))
    print(f"{written} written, {refused} refused", file=sys.stderr)


main()
