"""`relay audit prove` and `check-proof`: one file that an entry stands in the log, and the judging of it.

Touches: `prove` the node and the file named; `check-proof` the file, no network.
Trusts:  `check-proof` the root certificates or keys given, nothing else.
Raises:  CommandError, OSError, and what the node answers.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.connect import Connection, reaching, segment
from relay.cli.outcome import NO_INPUT, USAGE, CommandError, suggest
from relay.cli.send import digest_of_file, refuse_existing, write_new
from relay.cli.show import show_json
from relay.cli.steps import StatementOption, WitnessOption, tell_steps, witnesses_of
from relay.cli.verify import statements_of, trust_of

if TYPE_CHECKING:
    from relay.audit.proof_file import LogProof

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@reaching
def prove(
    node: Connection,
    index: Annotated[
        int | None, typer.Argument(metavar="[N]", min=0, help="The entry's index.")
    ] = None,
    receipt: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST|ID|FILE",
            help="Instead: a receipt by its digest or file, or all receipts of a message.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Default: entry-N.tlog-proof; of a message a folder."),
    ] = None,
    newer: Annotated[
        bool, typer.Option("--newer", help="With the newest head, and that it continues the log.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say what is in it as JSON; a file only with --out.")
    ] = False,
) -> None:
    """Write a proof that an entry stands in the log, which anyone can check offline."""
    if (index is None) == (receipt is None):
        raise CommandError("name one entry, or one receipt", USAGE, "relay audit prove N")
    wanted = asyncio.run(_fetch(node, index, receipt, newer=newer))
    targets = _targets(wanted, out, many=receipt is not None and bool(_ID.fullmatch(receipt)))
    if as_json:
        if out is not None:
            _write(wanted, targets)
        shown = [_described(content) for _, content in wanted]
        show_json(shown[0] if len(shown) == 1 else shown)
        return
    _write(wanted, targets)
    suggest(f"to judge it, here or anywhere: relay audit check-proof {targets[0]} --root ROOT.pem")
    for target in targets:
        typer.echo(target)


async def _fetch(
    node: Connection, index: int | None, receipt: str | None, *, newer: bool
) -> list[tuple[str, bytes]]:
    """Each proof file, and how it is called without its suffix."""
    from relay.cli.client import reach  # noqa: PLC0415

    query = "?newer=true" if newer else ""
    async with reach(node) as client:
        if index is not None:
            content = await client.get_bytes(f"/v1/audit/entries/{index}/proof{query}")
            return [(f"entry-{index}", content)]
        digests = await _digests(client, receipt or "")
        return [
            (digest, await client.get_bytes(f"/v1/receipts/{digest}/proof{query}"))
            for digest in digests
        ]


async def _digests(client: Any, named: str) -> list[str]:
    if _DIGEST.fullmatch(named):
        return [named]
    if not _ID.fullmatch(named):
        return [digest_of_file(Path(named))]
    view = await client.get(f"/v1/messages/{segment(named)}")
    found = {one["digest"]: None for each in view["deliveries"] for one in each["receipts"]}
    if not found:
        raise CommandError(f"message {named} has no receipts yet", NO_INPUT)
    return list(found)


def _targets(wanted: list[tuple[str, bytes]], out: Path | None, *, many: bool) -> list[Path]:
    from relay.audit.proof_file import SUFFIX  # noqa: PLC0415

    if out is not None and not many:
        return [out]
    return [(out or Path()) / f"{name}{SUFFIX}" for name, _ in wanted]


def _write(wanted: list[tuple[str, bytes]], targets: list[Path]) -> None:
    for target in targets:
        refuse_existing(target)
    for target, (_, content) in zip(targets, wanted, strict=True):
        write_new(target, content)


def _described(content: bytes) -> dict[str, Any]:
    from relay.audit.checkpoint import head_of  # noqa: PLC0415
    from relay.audit.entries import parse  # noqa: PLC0415
    from relay.audit.proof_file import read_proof  # noqa: PLC0415

    proof: LogProof = read_proof(content)
    head = head_of(proof.note)
    return {
        "log": head.origin,
        "index": proof.index,
        "size": head.size,
        "root": head.root.hex(),
        "entry": parse(proof.leaf),
        "hashes": [one.hex() for one in proof.hashes],
        "checkpoint": proof.note.decode(),
        "vkey": proof.vkey,
        "receipt": None if proof.receipt is None else proof.receipt.digest,
        "newer_size": None if proof.newer is None else head_of(proof.newer.note).size,
        "proof": content.decode(),
    }


def check_proof(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A proof file (.tlog-proof).")],
    root: Annotated[
        list[Path] | None, typer.Option(metavar="CERT", help="Trusted root; may be repeated.")
    ] = None,
    vkey: Annotated[
        str, typer.Option(metavar="KEY", help="Instead: the log's verifier key, known otherwise.")
    ] = "",
    witness: WitnessOption = None,
    statement: StatementOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every step, as JSON.")] = False,
) -> None:
    """Judge a proof file offline, step by step. Exit code 0 only if all it claims holds."""
    from relay.audit.proof_file import FILE_LIMIT_BYTES  # noqa: PLC0415
    from relay.signing.log_proof import ProofJudge  # noqa: PLC0415

    if not root and not vkey:
        raise CommandError("name what is to be trusted: --root CERT, or the log's --vkey", USAGE)
    with file.open("rb") as opened:
        content = opened.read(FILE_LIMIT_BYTES + 1)
    trust = trust_of(root, []) if root else None
    judge = ProofJudge(
        content,
        trust,
        vkey=vkey,
        witnesses=witnesses_of(witness),
        statements=statements_of([], statement or []),
    )
    tell_steps(file.name, judge.steps(), as_json=as_json)
