"""Faults of a node that compares with a neighbour what both believe was exchanged."""

from __future__ import annotations

import json
from typing import Any

from relay.delivery.reconciling.ports import Standing, Told, Window
from relay.errors import WireError
from relay.model import TransferId, minted_at
from relay.transport.nodes import reconciling_client
from relay.transport.nodes.listed import read_page
from tests.conformance.mutants import mutant, put_in


@mutant(
    "makes what sense it can of a neighbour's list",
    "W21.7/outside",
    "W21.7/order",
    "W21.7/twice",
    "W21.7/recipient-twice",
    "W21.7/standing",
    "W21.7/before-1970",
    "W21.7/after-9000",
    "W21.7/cursor",
)
def makes_sense_of_lists() -> None:
    def read(content: bytes, window: Window) -> Told:
        page = json.loads(content)
        rows = {one["transfer"]: _mended(one) for one in page["transfers"]}
        inside = [one for id_, one in sorted(rows.items()) if _within(id_, window)]
        cursor = None if page["cursor"] == window.after else page["cursor"]
        return read_page(
            json.dumps({**page, "transfers": inside, "cursor": cursor}).encode(), window
        )

    put_in(reconciling_client, "read_page", read)


def _within(transfer_id: str, window: Window) -> bool:
    minted = minted_at(TransferId(transfer_id))
    return minted is not None and window.since <= minted < window.until


def _mended(one: dict[str, Any]) -> dict[str, Any]:
    plausible = "1970" <= one["at"][:4] <= "9000"
    recipients = {
        code: [code, standing if standing in list(Standing) else "taken", changed]
        for code, standing, changed in one["recipients"]
    }
    at = one["at"] if plausible else "2000-01-01T00:00:00.000Z"
    return {**one, "at": at, "recipients": list(recipients.values())}


@mutant("takes no list of a neighbour's", "W21.7/compared")
def takes_no_lists() -> None:
    def read(*_: Any) -> Told:
        raise WireError("whoever lists anything may be wrong")

    put_in(reconciling_client, "read_page", read)
