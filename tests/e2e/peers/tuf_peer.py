"""python-tuf's own client reads a medium that haechi published, and its own library makes one that haechi reads.

tuf_peer.py read MEDIUM ROOT TARGET SCRATCH     prints the target's bytes, hexadecimal
tuf_peer.py make FOLDER                         writes a repository of one model bundle; prints its name
"""
import datetime
import hashlib
import json
import sys
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (DelegatedRole, Delegations, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp)
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig
from tuf.api.exceptions import DownloadHTTPError


class Folder(FetcherInterface):
    """Fetches from a folder."""

    def __init__(self, medium):
        self.medium = Path(medium)

    def _fetch(self, url):
        path = self.medium / url.removeprefix("medium://")
        if not path.is_file():
            raise DownloadHTTPError("not there", 404)
        return iter([path.read_bytes()])


def read(medium, root, target, scratch):
    scratch = Path(scratch)
    (scratch / "metadata").mkdir(parents=True)
    updater = Updater(str(scratch / "metadata"), "medium://metadata/", str(scratch), "medium://targets/", Folder(medium),
                      UpdaterConfig(), bootstrap=Path(root).read_bytes())
    updater.refresh()
    info = updater.get_targetinfo(target)
    print(Path(updater.download_target(info, str(scratch / "got"))).read_bytes().hex())


def make(folder):
    folder = Path(folder)
    (folder / "metadata").mkdir(parents=True)
    (folder / "targets").mkdir()
    end = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=20)
    keys = [CryptoSigner.generate_ed25519() for _ in range(4)]
    kind, stamp = keys[2], keys[3]
    root = Root(expires=end, consistent_snapshot=True)
    for role in ("root", "targets"):
        for key in keys[:2]:
            root.add_key(key.public_key, role)
        root.roles[role].threshold = 2
    for role in ("snapshot", "timestamp"):
        root.add_key(stamp.public_key, role)
    content = b"GGUF of another publisher"
    digest = hashlib.sha256(content).hexdigest()
    manifest = json.dumps({
        "format": 1, "kind": "model", "name": "other", "version": "1", "made": "2026-11-25T00:00:00Z", "start": "o.gguf",
        "files": [{"name": "o.gguf", "bytes": len(content), "sha256": digest}]}).encode()
    model = Targets(expires=end)
    for name, data in (("model_other_1_o.gguf", content), ("model_other_1_manifest.json", manifest)):
        model.targets[name] = TargetFile.from_data(name, data, ["sha256"])
        (folder / "targets" / f"{hashlib.sha256(data).hexdigest()}.{name}").write_bytes(data)
    role = DelegatedRole("model", [kind.public_key.keyid], 1, True, paths=["model_*"])
    targets = Targets(expires=end, delegations=Delegations({kind.public_key.keyid: kind.public_key}, {"model": role}))
    snapshot = Snapshot(expires=end, meta={"targets.json": MetaFile(1), "model.json": MetaFile(1)})
    timestamp = Timestamp(expires=end, snapshot_meta=MetaFile(1))
    for name, signed, signers in (("1.root", root, keys[:2]), ("1.targets", targets, keys[:2]), ("1.model", model, [kind]),
                                  ("1.snapshot", snapshot, [stamp]), ("timestamp", timestamp, [stamp])):
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        metadata.to_file(str(folder / "metadata" / f"{name}.json"))
    print("other")


{"read": read, "make": make}[sys.argv[1]](*sys.argv[2:])
