"""The committed carry files: what was accepted stays accepted, what was refused stays refused."""

from __future__ import annotations

import runpy
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.delivery.carry.reading import CarryReader
from relay.errors import DamagedError, SignatureError, WireError
from relay.model import Signed
from relay.signing.evidence import verify_carry
from relay.signing.trust import TrustStore
from relay.wire import carry

FOLDER = Path(__file__).parents[2] / "vectors" / "carry"
ROOT = FOLDER.parent / "signing" / "root.pem"
ACCEPTED = sorted(FOLDER.glob("accepted/*.zip"))
REFUSED = sorted(FOLDER.glob("refused/*.zip"))
FAULTS = {
    "framing": WireError,
    "manifest": WireError,
    "signature": SignatureError,
    "damaged": DamagedError,
}


async def _read(path: Path) -> carry.Manifest:
    async def chunks() -> AsyncIterator[bytes]:
        yield path.read_bytes()

    reader = CarryReader(chunks())
    document = await reader.small(carry.MANIFEST, carry.LIMIT_BYTES)
    signature = await reader.small(carry.SIGNATURE, carry.SIGNATURE_LIMIT_BYTES)
    trust = TrustStore([ROOT.read_bytes()])
    manifest = verify_carry(Signed(document, signature), trust, None)
    for names, containers in (
        (carry.statements_name, manifest.statements),
        (carry.answers_name, manifest.answers),
        (carry.receipts_name, manifest.receipts),
    ):
        for index, one in enumerate(containers):
            await reader.small(names(index), 1 << 20, size=one.size_bytes, digest=one.digest)
    for payload in manifest.payloads:
        name = carry.payload_name(payload.digest)
        await (await reader.large(name, payload.size_bytes)).drain(payload.digest)
        for transfer in payload.transfers:
            header, *rest = carry.transfer_names(transfer.transfer_id)
            await reader.small(header, 1 << 20, digest=transfer.header)
            for each in rest:
                await reader.small(each, 1 << 16)
    await reader.end()
    return manifest


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
async def test_accepted_files_are_read_to_their_end(path: Path) -> None:
    """A file written by an earlier version is still one."""
    assert (await _read(path)).sent_to == "tw"


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
async def test_refused_files_are_refused_for_their_fault(path: Path) -> None:
    """The word before the `--` of the file's name is the fault."""
    with pytest.raises(FAULTS[path.stem.partition("--")[0]]):
        await _read(path)


def test_every_fault_has_a_vector() -> None:
    """And there are some to accept."""
    assert {path.stem.partition("--")[0] for path in REFUSED} == set(FAULTS)
    assert ACCEPTED


def test_the_script_writes_the_vectors_that_are_here(tmp_path: Path) -> None:
    """Running make.py again leaves the working tree clean."""
    runpy.run_path(str(FOLDER / "make.py"))["make"](tmp_path)

    written = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*.zip")}
    assert written == {p.relative_to(FOLDER): p.read_bytes() for p in FOLDER.rglob("*.zip")}
