"""Write the signature vectors: some to accept, and one for each way in which one may be refused.

Run as `python -m tests.vectors.signing.make [FOLDER]`; a second run changes nothing. The keys are
derived from their labels and exist only while this runs: they protect nothing, and the root that is
written beside the vectors must never be trusted anywhere else.

    root.pem, log.vkey            the root and the log's key that the vectors are judged by
    agencies.pem                  the root that is pinned for agencies, for the entry `pinned`
    envelope.edxml, receipt.xml, transfer.xml, carry.xml, directory.xml   the documents
    accepted/<case>.<kind>.xml    a signature that holds; kind is an entry of judging.py
    refused/<fault>--<case>.<kind>.xml       one that must be refused with that word
    …/<name>.document             the document of that case, where it is another one
                                  (of crl, ocsp, standing, asof, answered it is what stands beside one, in DER
                                  or as it travels; of head a note)
    manifest.json                 of each: what it is, its entry, its word, its control
    README.md                     the same as tables, and what others say (others.json, compare.py)

A new vector is one more row in a module of forging/, a new kind of signed document one more in
originals.KINDS and judging.entries.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.vectors.signing.forging.accepted import Good, accepted
from tests.vectors.signing.forging.batched import batched
from tests.vectors.signing.forging.bound import bound
from tests.vectors.signing.forging.certified import certified
from tests.vectors.signing.forging.exported import exports
from tests.vectors.signing.forging.originals import KINDS, ROOT
from tests.vectors.signing.forging.paths import AGENCIES_ROOT, paths
from tests.vectors.signing.forging.replayed import log_verifier, replayed
from tests.vectors.signing.forging.resigned import resigned
from tests.vectors.signing.forging.revoked import revoked
from tests.vectors.signing.forging.shapes import shapes
from tests.vectors.signing.forging.stamps import stamps
from tests.vectors.signing.forging.table import readme
from tests.vectors.signing.forging.values import values
from tests.vectors.signing.forging.vector import Vector, Vectors
from tests.vectors.signing.forging.wrapping import wrapped
from tests.vectors.signing.forging.writings import writings


def refused() -> Vectors:
    """Every vector to refuse, in the order in which the verifier looks."""
    return chain(
        writings(),
        shapes(),
        wrapped(),
        values(),
        resigned(),
        certified(),
        paths(),
        bound(),
        replayed(),
        batched(),
        exports(),
        revoked(),
        stamps(),
    )


def make(folder: Path) -> None:
    """Write every vector under `folder`."""
    for name in ("accepted", "refused"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, der in (("root", ROOT), ("agencies", AGENCIES_ROOT)):
        pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
        (folder / f"{name}.pem").write_bytes(pem)
    (folder / "log.vkey").write_text(log_verifier() + "\n", "ascii")
    for usual in KINDS.values():
        (folder / usual.name.value).write_bytes(usual.document)
    manifest = {
        "accepted": dict(_write_accepted(folder / "accepted")),
        "refused": dict(_write_refused(folder / "refused")),
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    others = json.loads((Path(__file__).parent / "others.json").read_text("utf-8"))
    (folder / "README.md").write_text(readme(manifest, others), encoding="utf-8")


def _write_accepted(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for good in accepted():
        _write(folder, good.name, good)
        yield good.name, {"what": good.what, "entry": good.name.rpartition(".")[2]}


def _write_refused(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    written = set[str]()
    for vector in refused():
        if vector.name in written:
            raise AssertionError(f"{vector.name} is there twice")
        written.add(vector.name)
        _write(folder, vector.name, vector)
        described: dict[str, Any] = {
            "what": vector.what,
            "entry": vector.kind,
            "fault": vector.fault,
            "control": vector.control or f"node.{vector.kind}",
        }
        if vector.says:
            described["says"] = vector.says
        if vector.holds_as:
            described["holds_as"] = list(vector.holds_as)
        yield vector.name, described


def _write(folder: Path, name: str, one: Vector | Good) -> None:
    (folder / f"{name}.xml").write_bytes(one.signature)
    if one.document is not None:
        (folder / f"{name}.document").write_bytes(one.document)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
