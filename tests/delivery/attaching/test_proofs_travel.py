"""Receipts that travelled back are followed by proofs of the log of each node on the way."""

from __future__ import annotations

from typing import Any

from tests.delivery.attaching.conftest import Raise
from tests.delivery.directory.conftest import Village


async def _proved(village: Village, issuers: set[str]) -> list[Any]:
    """The proofs at the commune, once there is one of each of these nodes."""

    async def look() -> list[Any] | None:
        rows = village.rows(
            "xa",
            "SELECT r.issuer, p.log, p.cosigned, p.proof, r.digest FROM receipts r"
            " JOIN receipt_proofs p ON p.receipt = r.digest ORDER BY r.issuer",
        )
        return rows if {row[0] for row in rows} >= issuers else None

    return list(await village.until(look))


async def test_the_origin_has_a_cosigned_proof_of_the_log_of_every_node_on_the_way(
    raised: Raise,
) -> None:
    village = await raised()
    await village.send("xa", "H01.15.02", "H01")
    proved = await _proved(village, {"huyen", "tinh"})
    for issuer, log, cosigned, *_ in proved:
        print(issuer, log, cosigned)
        assert log == f"truc-relay.example/log/{issuer}"
        assert cosigned >= 1
