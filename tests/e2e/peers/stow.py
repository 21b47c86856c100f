"""Sends DICOM files by STOW-RS: ADDRESS, TOKEN, the file of the site's root, and FILEs as arguments.

Prints one JSON document: status and how many objects were stored and refused. Python's own library alone.
"""

import json
import ssl
import sys
import urllib.error
import urllib.request

address, token, root, *files = sys.argv[1:]
boundary = "part-of-the-test"
body = b""
for file in files:
    with open(file, "rb") as handle:
        body += f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + handle.read() + b"\r\n"
body += f"--{boundary}--\r\n".encode()
request = urllib.request.Request(
    address,
    data=body,
    headers={
        "Authorization": f"Bearer {token}",
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
    },
)
try:
    answer = urllib.request.urlopen(request, context=ssl.create_default_context(cafile=root))
except urllib.error.HTTPError as error:
    answer = error
said = json.loads(answer.read())
count = lambda tag: len(said.get(tag, {}).get("Value", []))
print(json.dumps({
    "status": answer.status,
    "media": answer.headers["Content-Type"],
    "stored": count("00081199"),
    "refused": count("00081198"),
}))
