"""The kit before servers that are no nodes: nothing that they do not do passes, and nothing that they say harms it.

Time goes faster for the kit and for them alike: what would be waited for is over in a fraction of a second.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from relay.conformance.clauses import every_assertion
from relay.conformance.credentials import Authority
from relay.conformance.own import judging
from relay.conformance.performing import Options, Performed, perform
from relay.conformance.reading import KEYS
from relay.conformance.running import Run
from relay.conformance.subject import Subject
from relay.conformance.verdicts import Judged, Verdict
from relay.signing import pki
from tests.conformance import stubs
from tests.conformance.stubs import EVERY_ANSWER, NO_ANSWER, Bare, Down, Stub, stood

FASTER = 40.0
CONNECTED = {"W1.2/named": "each that comes so far has the certificate of a node, and shows it"}
"""What is held by a handshake, whatever is said behind it, and why."""
HONEST = {"W1.4/node-document": "each has the document of a node, and tells it"} | CONNECTED
"""What a server that answers everything alike does hold, and why."""
Stubs = Sequence[Bare | Down | Stub]


class _Hurried(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> Any:
        return super().select(None if timeout is None else timeout / FASTER)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__(_Hurried())

    def time(self) -> float:
        return time.monotonic() * FASTER


async def _judged(folder: Path, several: Stubs, chapter: str) -> list[Judged]:
    every = [one for one in every_assertion() if chapter in {"", one.chapter}]
    async with stood(folder, several) as here:
        return await Run(here.subjects, here.authority, every, folder / "kept").judge()


def judged(folder: Path, several: Stubs, chapter: str = "") -> list[Judged]:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(_judged(folder, several, chapter))


def _names(several: Stubs) -> str:
    return "+".join(one.name for one in several)


@pytest.mark.parametrize("several", EVERY_ANSWER, ids=_names)
def test_a_server_that_answers_everything_alike_passes_in_nothing(
    tmp_path: Path, several: Stubs
) -> None:
    """Whatever it answers: it refuses what is wrong, but it refuses what is right, too."""
    found = judged(tmp_path, several)
    passed = {one.assertion.full_name for one in found if one.verdict is Verdict.PASS}
    assert passed == HONEST.keys()
    assert not [one.detail for one in found if one.detail.startswith("the kit could not")]
    failed = [one for one in found if one.verdict is Verdict.FAIL]
    assert len(failed) > len(found) / 3, "most of it is told to be wrong"


def test_an_axis_face_that_always_says_the_same_passes_in_nothing(tmp_path: Path) -> None:
    """In the dialect: FAIL with code 15 is no proof that it looks at secrets, nor OK that it takes documents."""
    found = judged(tmp_path, stubs.OF_THE_DIALECT, "A1")
    assert not [one.assertion.full_name for one in found if one.verdict is Verdict.PASS]
    assert not [one.detail for one in found if one.detail.startswith("the kit could not")]


@pytest.mark.parametrize("several", NO_ANSWER, ids=_names)
def test_what_gives_no_answer_passes_in_nothing_and_ends(tmp_path: Path, several: Stubs) -> None:
    """A node that is down, hangs, raves, sends without end: a connection that fails is no refusal."""
    found = judged(tmp_path, several)
    assert len(found) == 2 * len(every_assertion())
    passed = {one.assertion.full_name for one in found if one.verdict is Verdict.PASS}
    assert passed <= CONNECTED.keys()
    assert not [one.detail for one in found if one.detail.startswith("the kit could not")]


@pytest.mark.parametrize("several", [(stubs.DOWN, stubs.HANGS)], ids=_names)
def test_what_cannot_be_told_is_no_failure(tmp_path: Path, several: Stubs) -> None:
    """And whoever answers nothing is not asked four hundred times."""
    found = judged(tmp_path, several)
    assert {one.verdict for one in found} == {Verdict.INCONCLUSIVE, Verdict.NOT_CLAIMED}
    asked = [one for one in found if one.detail.startswith("no answer")]
    assert len(asked) < 40


async def _ended(folder: Path) -> Performed:
    """A run before two nodes that hang, ended while it waits for them."""
    async with stood(folder, (stubs.HANGS, stubs.RAVES)) as here:
        told: list[Judged] = []
        options = Options(folder / "kit", here.subjects, ("W1", "W2"), told=told.append)
        task = asyncio.create_task(perform(options))
        while not told:
            await asyncio.sleep(1)
        task.cancel()
        return await task


def test_a_run_that_is_ended_reports_what_it_came_to(tmp_path: Path) -> None:
    """As by Ctrl-C: whoever waited for an hour has something to show for it."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        found = runner.run(_ended(tmp_path))
    assert found.about.ended_before
    assert not found.holds
    assert found.as_json()["ended_before"] is True
    details = {one.detail for one in found.judged}
    assert "the run ended before" in details
    assert len(details) > 1, "what was found until then is told"
    assert "The run was ended before it was over" in found.as_page().decode()


REFUSING = """
import json, pathlib, sys
words = sys.argv[1].split()
for name in sys.argv[2:]:
    if pathlib.Path(name).parent.name.startswith("relay-files-") and not name.endswith("root.pem"):
        print(json.dumps({"file": name, "holds": False, "reasons": words}))
"""
WORDS = "revoked-certificate wrong-imprint wrong-time wrong-purpose untrusted bad-signature other-message"


async def _of_files(folder: Path, *command: str) -> list[Judged]:
    pki.init(folder / "pki", name="Kit", key=pki.KeyType.P256, now=datetime.now(UTC), days=1)
    authority = Authority(folder / "pki")
    first, second = (
        judging(Subject(id=name, roots=authority.root, agency="H98"), command)
        for name in ("a", "b")
    )
    every = [one for one in every_assertion() if one.needs and one.needs <= set(KEYS)]
    return await Run((first, second), authority, every, folder / "kept").judge()


def test_a_command_that_refuses_every_file_passes_in_nothing(tmp_path: Path) -> None:
    """For whatever reasons: it refuses what is honest, too."""
    found = asyncio.run(_of_files(tmp_path, sys.executable, "-c", REFUSING, WORDS))
    assert {one.verdict for one in found} == {Verdict.FAIL, Verdict.INCONCLUSIVE}
