"""How an assertion ends: only what the node did wrong is a FAIL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from relay.conformance import running
from relay.conformance.credentials import Authority, stranger
from relay.conformance.exchanges import Exchanges
from relay.conformance.peer import UnreachableError
from relay.conformance.running import Run
from relay.conformance.stand import Stand
from relay.conformance.subject import Subject
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Judged,
    NotClaimedError,
    Part,
    Verdict,
    require,
    require_equal,
)
from relay.errors import SignatureError, TransportError

Judge = Callable[[Stand], Awaitable[None]]


def stand(**said: Any) -> Stand:
    """A node that is reached at its native face alone."""
    subject = Subject.model_validate(
        {"id": "a", "roots": "roots.pem", "agency": "H98.11", "native": "https://a", "token": "t"}
        | said
    )
    return Stand(subject, subject, Exchanges(), Authority(Path()), cast("Any", None))


async def judged(
    judge: Judge,
    *needs: Part,
    at: Stand | None = None,
    capability: str = "",
    keep: Path = Path(),
    control: Judge | None = None,
) -> Judged:
    book = Book(control=control)
    book.asserts("W1.1", "name", "It holds", *needs, capability=capability)(judge)
    here = at or stand()
    run = Run((here.subject, here.other), here.authority, book.assertions, keep)
    return await run._one(here, book.assertions[0])


async def holds(_: Stand) -> None:
    pass


def raising(error: BaseException) -> Judge:
    async def judge(_: Stand) -> None:
        raise error

    return judge


async def test_what_ends_without_a_word_passed() -> None:
    found = await judged(holds)
    assert (found.verdict, found.detail, found.kept) == (Verdict.PASS, "", "")


@pytest.mark.parametrize(
    ("error", "verdict", "detail"),
    [
        (FailedError("it did else"), Verdict.FAIL, "it did else"),
        (NotClaimedError("no such thing"), Verdict.NOT_CLAIMED, "no such thing"),
        (InconclusiveError("too slow"), Verdict.INCONCLUSIVE, "too slow"),
        (UnreachableError("refused"), Verdict.INCONCLUSIVE, "no answer: refused"),
        (TransportError("gone"), Verdict.INCONCLUSIVE, "TransportError: gone"),
        (SignatureError("shape", "it does not hold"), Verdict.INCONCLUSIVE, "SignatureError"),
        (KeyError("x"), Verdict.INCONCLUSIVE, "the kit could not: KeyError"),
        (AssertionError(), Verdict.INCONCLUSIVE, "the kit could not: AssertionError"),
        (RecursionError(), Verdict.INCONCLUSIVE, "the kit could not: RecursionError"),
        (ExceptionGroup("several", [ValueError()]), Verdict.INCONCLUSIVE, "ExceptionGroup"),
    ],
)
async def test_what_an_assertion_raises_is_its_verdict(
    tmp_path: Path, error: Exception, verdict: Verdict, detail: str
) -> None:
    """Anything but a failure that was found is inconclusive, and ends nothing else."""
    found = await judged(raising(error), keep=tmp_path)
    assert found.verdict is verdict
    assert detail in found.detail


async def test_bytes_that_cannot_be_kept_end_nothing(tmp_path: Path) -> None:
    """A full disk, a folder that went away: what was found is told."""
    (tmp_path / "file").touch()
    found = await judged(raising(FailedError("it did else")), keep=tmp_path / "file")
    assert (found.verdict, found.kept) == (Verdict.FAIL, "")
    assert found.detail == "it did else (its bytes are not kept: Not a directory)"


async def test_who_ends_the_run_ends_it() -> None:
    with pytest.raises(asyncio.CancelledError):
        await judged(raising(asyncio.CancelledError()))


THROUGH_THE_KIT = {
    "axis": "https://a",
    "systemid": "s",
    "secret": "s",
    "kit": {"node": "kit", "agency": "H98.9", "listen": "127.0.0.1:1", "via": "127.0.0.1:2"},
}


@pytest.mark.parametrize("fault", ["it forgets what it has seen", ""])
async def test_a_node_is_not_convicted_for_what_the_other_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Where both are needed for it, a failure counts unless the other is seen to be at fault."""

    async def answers_transfers(_: Stand) -> None:
        if fault:
            raise FailedError(fault)

    monkeypatch.setattr(running, "answers_transfers", answers_transfers)
    here = stand(**THROUGH_THE_KIT)
    here.beside = stand()
    failing = raising(FailedError("two copies came"))
    between = await judged(failing, Part.LINK, at=here, keep=tmp_path)
    assert between.verdict is (Verdict.INCONCLUSIVE if fault else Verdict.FAIL)
    assert between.detail.startswith("two copies came")
    assert fault in between.detail
    alone = await judged(failing, Part.AXIS, at=here, keep=tmp_path)
    assert alone.verdict is Verdict.FAIL


async def test_a_node_that_hangs_is_inconclusive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LIMIT_SECONDS", 0.05)

    async def hangs(_: Stand) -> None:
        await asyncio.sleep(60)

    found = await judged(hangs, keep=tmp_path)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "not told within" in found.detail


@pytest.mark.parametrize("part", [part for part in Part if part is not Part.NATIVE], ids=str)
async def test_a_part_that_is_not_configured_is_not_claimed(part: Part) -> None:
    """And nothing is sent."""
    found = await judged(raising(FailedError("was judged")), part)
    assert (found.verdict, found.detail) == (Verdict.NOT_CLAIMED, f"not configured: {part}")


async def test_a_part_that_is_configured_is_judged() -> None:
    assert (await judged(holds, Part.NATIVE)).verdict is Verdict.PASS


async def test_a_capability_that_is_not_told_is_not_claimed() -> None:
    here = stand()
    failing = raising(FailedError("was judged"))
    found = await judged(failing, at=here, capability="batches")
    assert (found.verdict, found.detail) == (Verdict.NOT_CLAIMED, "no capability batches")
    here.capabilities = frozenset({"batches"})
    assert (await judged(failing, at=here, capability="batches")).verdict is Verdict.FAIL


@pytest.mark.parametrize("name", ["W1", "W1.1", "W1.1/name"])
async def test_what_the_file_does_not_claim_is_not_judged(name: str) -> None:
    here = stand(not_claimed=[name])
    found = await judged(raising(FailedError("was judged")), at=here)
    assert found.verdict is Verdict.NOT_CLAIMED
    other = stand(not_claimed=["W1.10", "W2", "W1.1/another"])
    assert (await judged(holds, at=other)).verdict is Verdict.PASS


@pytest.mark.parametrize("role", ["peer", "listener", "dms", "other_dms", "link"])
async def test_a_part_of_the_kit_that_is_not_there_is_not_claimed(role: str) -> None:
    async def reaches(at: Stand) -> None:
        getattr(at, role)

    assert (await judged(reaches)).verdict is Verdict.NOT_CLAIMED


def test_a_detail_is_of_bounded_length() -> None:
    with pytest.raises(FailedError) as found:
        require_equal(b"x" * 1_000_000, b"y", "the answer")
    assert len(str(found.value)) < 300
    with pytest.raises(FailedError, match="no"):
        require(False, "no")


async def test_bytes_are_kept_of_what_did_not_hold_alone(tmp_path: Path) -> None:
    async def told(at: Stand) -> None:
        at.exchanges.begin("DMS at a", "GET", "/", {}, b"asked").answer = b"answered"
        if at.subject.not_claimed:
            raise FailedError("wrong")

    assert (await judged(told, keep=tmp_path)).kept == ""
    found = await judged(told, at=stand(not_claimed=["W2"]), keep=tmp_path)
    kept = Path(found.kept)
    assert kept == tmp_path / "W1.1-name-a"
    assert (kept / "001.request").read_bytes() == b"asked"
    assert (kept / "001.answer").read_bytes() == b"answered"


async def test_what_is_begun_goes_on_beside_the_others_and_is_looked_at_behind_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for all that look at it; an assertion that is not claimed begins nothing."""
    monkeypatch.setattr(running, "LIMIT_SECONDS", 10.0)
    order: list[str] = []
    others_are_judged = asyncio.Event()

    async def beginning(_: Stand) -> str:
        order.append("begun")
        await others_are_judged.wait()
        return "over"

    async def never(_: Stand) -> None:
        order.append("never")

    async def looks(at: Stand) -> None:
        order.append(await at.come_of(beginning))

    async def plain(_: Stand) -> None:
        await asyncio.sleep(0)
        order.append("plain")
        others_are_judged.set()

    book = Book()
    book.asserts("W1.1", "first", "It holds", begins=beginning)(looks)
    book.asserts("W1.1", "second", "It holds", begins=beginning)(looks)
    book.asserts("W1.1", "third", "It holds", Part.AUDITOR, begins=never)(looks)
    book.asserts("W1.1", "plain", "It holds")(plain)
    roots = stranger(tmp_path, "kit", datetime.now(UTC)).root
    subjects = [stand(id=name, roots=roots).subject for name in ("a", "b")]
    run = Run((subjects[0], subjects[1]), Authority(tmp_path), book.assertions, tmp_path)
    found = await run.judge()
    assert order == [*["begun"] * 2, *["plain"] * 2, *["over"] * 4]
    assert [one.verdict for one in found] == [
        *[Verdict.PASS] * 4,
        *[Verdict.NOT_CLAIMED] * 2,
        *[Verdict.PASS] * 2,
    ]


@pytest.mark.parametrize(
    ("control", "verdict"),
    [
        (holds, Verdict.PASS),
        (raising(NotClaimedError("not let in")), Verdict.PASS),
        (raising(FailedError("refused, too")), Verdict.INCONCLUSIVE),
        (raising(UnreachableError("gone")), Verdict.INCONCLUSIVE),
    ],
)
async def test_what_passed_counts_only_where_the_honest_one_does(
    tmp_path: Path, control: Judge, verdict: Verdict
) -> None:
    """A node that refuses everything refuses nothing in particular."""
    assert (await judged(holds, control=control, keep=tmp_path)).verdict is verdict


async def test_a_control_is_asked_once_and_only_where_something_passed(tmp_path: Path) -> None:
    here, asked = stand(), list[int]()

    async def control(_: Stand) -> None:
        asked.append(1)

    await judged(raising(FailedError("wrong")), at=here, control=control, keep=tmp_path)
    assert asked == []
    for _ in range(3):
        await judged(holds, at=here, control=control)
    assert asked == [1]


async def test_clocks_that_are_apart_are_no_failure_of_the_node(tmp_path: Path) -> None:
    """It may rightly refuse what comes out of its future, and nobody here knows whose clock is wrong."""
    here = stand()
    here.apart = timedelta(hours=-1)
    found = await judged(raising(FailedError("answered 503")), at=here, keep=tmp_path)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.detail.startswith("its clock is 3600 s behind the kit")


async def test_a_secret_that_is_refused_is_no_failure_of_the_node(tmp_path: Path) -> None:
    """A slip in the file, or a node that reckons otherwise: nobody can tell."""
    here = stand(axis="https://a", systemid="vxp.a", secret="s")
    here.unknown = True
    failing = raising(FailedError("ErrorCode is '15'"))
    found = await judged(failing, Part.AXIS, at=here, keep=tmp_path)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "refuses the systemid and secret" in found.detail
    assert (await judged(failing, Part.NATIVE, at=here, keep=tmp_path)).verdict is Verdict.FAIL


async def test_whoever_answers_nothing_is_asked_nothing_more(tmp_path: Path) -> None:
    here = stand()
    here.gone = True
    found = await judged(raising(FailedError("was judged")), at=here, keep=tmp_path)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.detail.startswith("not asked")


async def test_a_node_that_tells_no_capabilities_is_not_taken_to_have_none(tmp_path: Path) -> None:
    here = stand()
    here.unheard = True
    found = await judged(holds, at=here, capability="directory", keep=tmp_path)
    assert found.verdict is Verdict.INCONCLUSIVE


async def test_what_a_node_says_steers_no_terminal(tmp_path: Path) -> None:
    said = "\x1b]0;title\x07\x9b31m\u202etxt.exe\r\n" + "x" * 5_000
    found = await judged(raising(FailedError(said)), keep=tmp_path)
    assert found.detail.isprintable()
    assert len(found.detail) < 1_100


def test_a_run_that_was_ended_tells_what_it_did_not_come_to() -> None:
    book = Book()
    for name in ("first", "second"):
        book.asserts("W1.1", name, "It holds")(holds)
    here = stand()
    other = here.subject.model_copy(update={"id": "b"})
    run = Run((here.subject, other), here.authority, book.assertions, Path())
    run.found.append(Judged(book.assertions[1], "b", Verdict.PASS, "", 0.1))
    found = run.in_order()
    assert [(one.assertion.name, one.node) for one in found] == [
        ("first", "a"),
        ("first", "b"),
        ("second", "a"),
        ("second", "b"),
    ]
    assert [one.verdict for one in found] == [Verdict.INCONCLUSIVE] * 3 + [Verdict.PASS]
