"""The worker: bounded, without a way out, replaced when it fails; the node only ever gets a judgement."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from relay.judgement import Flaw, Verdict
from relay.signing.others.limits import JudgingLimits
from relay.signing.others.process import PROGRAM, JudgingProcess
from relay.signing.others.protocol import Heading, Terms
from tests.signing.others.conftest import terms_of
from tests.signing.others.papers import AT, Hierarchy, attached, envelope, pdf, sign_pdf, sign_xml

PDF = Heading(AT, is_pdf=True, name="cong-van.pdf")
FRAME = "import sys,struct,time; out=sys.stdout.buffer; frame=lambda c: (out.write(struct.pack('!L', len(c))+c), out.flush())\n"


def chunks(content: bytes) -> Callable[[], AsyncIterator[bytes]]:
    async def give() -> AsyncIterator[bytes]:
        yield content

    return give


@asynccontextmanager
async def worker(
    folder: Path, terms: Terms | Callable[[], Terms], program: str = ""
) -> AsyncIterator[JudgingProcess]:
    process = JudgingProcess(terms if callable(terms) else lambda: terms, folder)
    if program:
        process.program = program
    try:
        yield process
    finally:
        await process.close()


@pytest.fixture(scope="module")
def papers(hall: Hierarchy) -> dict[str, bytes]:
    """Made before any event loop runs: the library that signs wants its own."""
    signed = sign_pdf(pdf(), hall.person, stamped_by=hall.stamper)
    two = sign_pdf(signed, hall.organisation, field="Sig2", pades=True)
    return {
        "two": two,
        "whole": sign_xml(envelope(attached(two)), hall.organisation),
        "reserialised": sign_xml(envelope(attached(two)), hall.organisation).replace(
            b"<edXML:To>", b"<edXML:To>\n"
        ),
        "garbage": envelope(attached(b"%PDF-1.7 garbage")),
    }


async def test_a_worker_that_can_open_nothing_judges_all_that_is_judged_in_a_process_with_everything(
    tmp_path: Path, hall: Hierarchy, papers: dict[str, bytes]
) -> None:
    """Were a library to load anything late, its job would crash."""
    async with worker(tmp_path, terms_of(hall)) as process:
        two = await process.judge(chunks(papers["two"]), PDF)
        whole = await process.judge(chunks(papers["whole"]), Heading(AT))
        others = [
            await process.judge(chunks(papers[name]), Heading(AT))
            for name in ("reserialised", "garbage")
        ]
        assert process._jobs == 4, "one worker served all of them"
        await process.rest()
        assert process._process is None
    assert two.verdict is whole.verdict is Verdict.VALID
    assert (two.signatures, whole.signatures) == (2, 3)
    assert all(Flaw.CRASHED not in one.words for one in others)


def test_a_worker_has_no_network_no_files_no_children_and_no_environment(tmp_path: Path) -> None:
    code = """
import os, socket, subprocess, sys
from relay.signing.others.protocol import Terms
from relay.signing.others.worker import give_up_privileges
give_up_privileges(Terms(()))
for name, work in {
    "socket": lambda: socket.socket(),
    "file": lambda: open("/etc/hostname"),
    "child": lambda: subprocess.run(["true"]),
    "memory": lambda: bytearray(2 << 30),
}.items():
    try:
        work()
    except (OSError, MemoryError):
        continue
    print(name, "was given")
print(sorted(os.environ))
"""
    found = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, env={}, check=True
    )
    assert [line for line in found.stdout.splitlines() if "given" in line] == []
    assert "PATH" not in found.stdout


async def test_a_worker_that_dies_twice_is_unknown_and_the_next_job_gets_another(
    tmp_path: Path, hall: Hierarchy, papers: dict[str, bytes]
) -> None:
    async with worker(tmp_path, terms_of(hall), "import os; os._exit(3)") as process:
        broken = await process.judge(chunks(papers["two"]), PDF)
        process.program = PROGRAM
        mended = await process.judge(chunks(papers["two"]), PDF)
    assert (broken.verdict, broken.flaws) == (Verdict.UNKNOWN, (Flaw.CRASHED,))
    assert mended.verdict is Verdict.VALID


async def test_a_worker_that_says_what_no_worker_says_is_believed_nothing(
    tmp_path: Path, hall: Hierarchy
) -> None:
    for answer in ("b'{}'", "b'\\xff' * 100", "b'[' * 100000"):
        program = f"{FRAME}frame(b'ready'); frame({answer}); time.sleep(60)"
        async with worker(tmp_path, terms_of(hall), program) as process:
            found = await process.judge(chunks(b"x"), PDF)
        assert found.flaws == (Flaw.CRASHED,), answer


async def test_what_takes_too_long_is_killed_and_unknown(tmp_path: Path, hall: Hierarchy) -> None:
    terms = replace(terms_of(hall), limits=JudgingLimits(within=timedelta(milliseconds=200)))
    program = f"{FRAME}frame(b'ready'); time.sleep(60)"
    async with worker(tmp_path, terms, program) as process:
        found = await process.judge(chunks(b"x" * (1 << 20)), PDF)
        assert process._process is None
    assert (found.verdict, found.flaws) == (Verdict.UNKNOWN, (Flaw.TIMED_OUT,))


async def test_without_the_libraries_every_verdict_is_unknown_and_says_so(
    tmp_path: Path, hall: Hierarchy
) -> None:
    program = f"import sys; sys.modules['pyhanko'] = None; {PROGRAM}"
    async with worker(tmp_path, terms_of(hall), program) as process:
        found = await process.judge(chunks(b"x"), PDF)
        again = await process.judge(chunks(b"x"), PDF)
    assert found == again
    assert (found.verdict, found.flaws) == (Verdict.UNKNOWN, (Flaw.NOT_INSTALLED,))


async def test_a_pdf_that_opens_to_more_than_the_worker_may_hold_is_unknown_and_the_next_is_judged(
    tmp_path: Path, hall: Hierarchy, papers: dict[str, bytes]
) -> None:
    bomb = zlib.compress(bytes(300 << 20), 1)
    head = b"%PDF-1.7\n"
    content = (
        head
        + b"1 0 obj\n<< /Type /XRef /Size 9 /W [1 1 1] /Root 2 0 R /Filter /FlateDecode /Length %d >>\n"
        % len(bomb)
        + b"stream\n"
        + bomb
        + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % len(head)
    )
    terms = replace(terms_of(hall), limits=JudgingLimits(memory_bytes=256 << 20))
    async with worker(tmp_path, terms) as process:
        found = await process.judge(chunks(content), PDF)
        after = await process.judge(chunks(papers["two"]), PDF)
    assert found.verdict is Verdict.UNKNOWN
    assert {Flaw.TOO_LARGE, Flaw.CRASHED, Flaw.UNREADABLE} & set(found.words)
    assert after.verdict is Verdict.VALID


async def test_other_anchors_need_another_worker(
    tmp_path: Path, hall: Hierarchy, papers: dict[str, bytes]
) -> None:
    now = [terms_of(hall)]
    async with worker(tmp_path, lambda: now[0]) as process:
        before = await process.judge(chunks(papers["two"]), PDF)
        now[0] = replace(now[0], anchors=(hall.stamper.der,))
        after = await process.judge(chunks(papers["two"]), PDF)
    assert before.verdict is Verdict.VALID
    assert after.verdict is Verdict.UNKNOWN
    assert Flaw.UNTRUSTED in after.words
