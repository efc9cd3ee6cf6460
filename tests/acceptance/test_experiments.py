"""The nine experiments in their quick form: seconds each, judged in full."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from relay.model import digest_of
from tests.acceptance.experiments.city import PROVINCE, founded
from tests.acceptance.experiments.e2_syscalls import never_came
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.papers import SCAN_BYTES
from tests.acceptance.experiments.plan import EXPERIMENTS, Experiment
from tests.acceptance.experiments.quiet import quiesce
from tests.acceptance.experiments.traffic import Relation, at_work

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
XML = {"Content-Type": "application/xml"}
NOWHERE = "01a20000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=[one.name for one in EXPERIMENTS])
async def test_nothing_is_lost_or_doubled(
    experiment: Experiment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is done to the nodes: every acknowledged delivery arrives once or ends with a receipt."""
    if not experiment.available():
        if os.environ.get("TESTS_NO_SKIP"):
            pytest.fail(f"needs {experiment.needs}, which must be there here")
        pytest.skip(f"skipped: needs {experiment.needs}")
    tally = await experiment.run(tmp_path_factory.mktemp(experiment.name), True)
    assert tally.holds, (tally.line(experiment.title), tally.problems)
    assert tally.acknowledged


def test_faults_that_never_come_prove_nothing() -> None:
    """A kind of which none was done is a problem; one number that was passed over is none."""
    done = {"fsync error=EIO: exit 74": 3, "fsync error=EIO: not reached": 2}
    assert not never_came({**done, "rename error=EIO: not reached": 1})
    assert never_came({**done, "rename error=EIO: not reached": 2}) == [
        "rename error=EIO: none of 2 faults came"
    ]
    assert never_came({"rename error=EIO: not reached": 1})


async def test_the_judge_finds_what_is_lost_and_what_is_doubled(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A ledger that names a message no node holds, bytes that did not arrive as they were sent, bytes
    that one recipient got twice, and a file that left the disk: each is counted, and nothing else. A
    receipt that its issuer no longer holds is named."""
    relation = Relation("tinh", "H01", ("H01.151",))
    async with (
        founded(tmp_path_factory.mktemp("judge"), (PROVINCE,)) as city,
        at_work(city, seed=0) as traffic,
    ):
        sound, changed, twice = [traffic.write(relation) for _ in range(3)]
        gone = traffic.write(relation, SCAN_BYTES)
        for content in (sound, changed, twice, gone):
            await traffic.send(relation, content)
        desk = traffic.desks["tinh"]
        await desk.ask("POST", "/v1/envelopes?to=H01.151&to=H01", data=twice, headers=XML)
        await quiesce(traffic)
        ledger = traffic.ledger
        ledger.acknowledge(NOWHERE, "tinh", b"never sent", ("H01.151",), b"")
        for key, seen in ledger.seen.items():
            if seen.digest == digest_of(changed):
                ledger.seen[key] = replace(seen, digest=digest_of(b"other bytes"))
        data = city.node("tinh").folder / "data"
        (data / "payloads" / digest_of(gone)[:2] / digest_of(gone)).unlink()
        receipt = _forget_a_receipt(data / "journal.sqlite", digest_of(sound))

        tally = await judge(traffic)

    assert (tally.acknowledged, tally.delivered) == (5, 2)
    assert (tally.lost, tally.doubled) == (3, 1)
    assert f"tinh signed {receipt[:12]}, says its log, and does not hold it" in tally.problems
    assert not tally.holds


def _forget_a_receipt(journal: Path, digest: str) -> str:
    with closing(sqlite3.connect(journal, timeout=30, isolation_level=None)) as connection:
        ((receipt,),) = connection.execute(
            "DELETE FROM receipts WHERE rowid IN (SELECT max(r.rowid) FROM receipts r"
            " JOIN messages m USING (message_row) WHERE m.digest = ?) RETURNING digest",
            (digest,),
        ).fetchall()
    return str(receipt)
