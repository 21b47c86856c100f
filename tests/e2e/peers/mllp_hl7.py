"""Sends messages with the MLLP client of `hl7` (PyPI) and has `hl7apy` read every acknowledgement: PORT as argument.

Prints one JSON line: what each message was answered.
"""

import json
import sys

import hl7
from hl7.client import MLLPClient
from hl7apy.parser import parse_message


def message(control_id, kind="ADT^A01^ADT_A01", number="7001", charset="UNICODE UTF-8", family="Park"):
    return (
        f"MSH|^~\\&|PY|WARD|HAECHI|SITE|20260101120000||{kind}|{control_id}|P|2.5||||||{charset}\r"
        f"EVN|A01|20260101120000\rPID|1||{number}^^^SITE^MR||{family}^Min||19800101|F\rPV1|1|I|W1"
    )


def main():
    port = int(sys.argv[1])
    answers = []
    with MLLPClient("127.0.0.1", port) as client:
        for text in [
            message("py-1"),
            hl7.parse(message("py-2", number="7002")),  # as an object, as programs send it
            message("py-3", number="7003", family="홍").encode("cp949"),
            message("py-4", kind="MFN^M01^MFN_M01"),
            message("py-5", number=""),
        ]:
            raw = client.send_message(text)
            plain = raw.strip(b"\x0b\x1c\r").decode("utf-8")
            first = hl7.parse(plain)  # the sender's own library
            second = parse_message(plain, find_groups=False)  # another one, strict about structure
            msa = first.segment("MSA")
            assert str(msa[1]) == second.msa.msa_1.value, plain
            errors = [str(error) for error in first.segments("ERR")] if "ERR|" in plain else []
            answers.append({"code": str(msa[1]), "control_id": str(msa[2]), "errors": errors})
    print(json.dumps(answers))


main()
