"""A run's exchanges as files that others can read again, and what of them holds without any network.

    run.json              what was judged and how it ended; for each assertion its folder
    roots.pem             the roots that everything in it leads to; keys are in none of the files
    W4.5-name-node/       001.json with the heads, 001.request and 001.answer with the bytes, and so on

Requests have ids and instants of their own, so no node can be asked the same again. What can be replayed is what
the judged nodes signed: every receipt and every transfer is proven as of when it was signed.

Touches: the folder.
Trusts:  nothing in it but, where no other is given, its roots.
Raises:  SettingsError for what is no recording.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.conformance.exchanges import BODY_LIMIT_BYTES
from relay.conformance.peer import CONTAINER_LIMIT_BYTES, RECEIPTS_TYPE
from relay.conformance.requested import transfers_of
from relay.errors import RelayError, SettingsError, SignatureError, WireError
from relay.model import Signed, digest_of
from relay.signing import evidence
from relay.signing.seal import verify_seal
from relay.signing.trust import TrustStore
from relay.wire.container import read_receipts
from relay.wire.transfer import read_transfer

INDEX, ROOTS = "run.json", "roots.pem"
INDEX_LIMIT_BYTES = 16 << 20
RECEIPT, TRANSFER = "receipt", "transfer"


@dataclass(frozen=True, slots=True)
class Said:
    """What a judged node said in one exchange."""

    place: str
    """In the recording: `W4.5-same-bytes-huyen-a/001.answer`."""
    kind: str
    """Its media type."""
    content: bytes


@dataclass(frozen=True, slots=True)
class Replayed:
    """What of a recording holds."""

    exchanges: int
    held: Mapping[str, int]
    """Receipts and transfers that are proven."""
    faults: tuple[str, ...]


def write_roots(folder: Path, roots: Sequence[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = dict.fromkeys(path.read_bytes() for path in roots)
    (folder / ROOTS).write_bytes(b"".join(found))


def write_index(folder: Path, document: dict[str, Any]) -> None:
    """`document` is that of the run; where its bytes are is told from here, not from this machine."""
    rows = [
        {**row, "kept": Path(row["kept"]).name} if "kept" in row else row
        for row in document["assertions"]
    ]
    text = json.dumps({**document, "assertions": rows}, ensure_ascii=False, indent=1)
    (folder / INDEX).write_text(f"{text}\n", encoding="utf-8")


def replay(folder: Path, roots: bytes | None = None) -> Replayed:
    """Prove again what the judged nodes signed, to these roots or to the recording's own."""
    held: Counter[str] = Counter()
    faults: list[str] = []
    count = 0
    try:
        trust = TrustStore([roots or (folder / ROOTS).read_bytes()])
        for said in _said(folder):
            count += 1
            try:
                held.update(_proven(said, trust))
            except (WireError, SignatureError) as error:
                faults.append(f"{said.place}: {error}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = (getattr(error, "strerror", None) or repr(error)).lower()
        raise SettingsError([f"{folder} is no recording: {why}"]) from None
    except RelayError as error:
        raise SettingsError([f"{folder / ROOTS}: {error}"]) from None
    return Replayed(count, held, tuple(faults))


def _said(folder: Path) -> Iterator[Said]:
    for row in json.loads(_read(folder / INDEX, INDEX_LIMIT_BYTES))["assertions"]:
        if "kept" not in row:
            continue
        kept = folder / Path(row["kept"]).name
        for path in sorted(kept.glob("[0-9]*.json")):
            head = json.loads(_read(path, INDEX_LIMIT_BYTES))
            side = "request" if head["role"].endswith(" asked") else "answer"
            headers = {name.lower(): value for name, value in head[side]["headers"].items()}
            body = path.with_suffix(f".{side}")
            content = _read(body, BODY_LIMIT_BYTES) if body.exists() else b""
            if len(content) != head[side]["size"] and len(content) < BODY_LIMIT_BYTES:
                raise ValueError(f"{body.name} has {len(content)} bytes")
            yield Said(f"{kept.name}/{body.name}", headers.get("content-type", ""), content)


def _read(path: Path, limit_bytes: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise ValueError(f"{path.name} is over {limit_bytes} bytes")
    return content


def _proven(said: Said, trust: TrustStore) -> list[str]:
    """What it was, each proven."""
    if len(said.content) == BODY_LIMIT_BYTES:
        return []  # it was cut when it was kept
    if said.kind.startswith(RECEIPTS_TYPE):
        found = read_receipts(said.content, CONTAINER_LIMIT_BYTES)
        return [RECEIPT for one in found if evidence.verify_receipt(one, trust, None)]
    if said.kind.startswith("multipart/related"):
        several = transfers_of(said.content)
        for parts in several:
            _prove_transfer(parts, trust)
        return [TRANSFER] * len(several)
    return []


def _prove_transfer(parts: dict[str, bytes], trust: TrustStore) -> None:
    signed = Signed(parts["transfer.xml"], parts["transfer-signature.xml"])
    sender = read_transfer(signed.document).sent_by
    header = evidence.verify_transfer(signed, trust, None, sender)
    verify_seal(parts["seal.xml"], header.digest, trust, None)
    envelope = parts.get("envelope.edxml")
    if envelope is not None and digest_of(envelope) != header.digest:
        raise WireError("the envelope is not the header's")
