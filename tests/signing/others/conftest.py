"""The judges in this process, with the anchors and revocation lists of a made-up hierarchy."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.judgement import Judgement
from relay.signing.others.jobs import Jobs
from relay.signing.others.limits import JudgingLimits
from relay.signing.others.protocol import CHUNK_BYTES, Heading, Terms, frame
from tests.signing.others.papers import AT, Hierarchy, hierarchy

Judge = Callable[..., Judgement]


@pytest.fixture(scope="session")
def hall() -> Hierarchy:
    return hierarchy()


def terms_of(hall: Hierarchy, *, crls: tuple[bytes, ...] | None = None) -> Terms:
    root = (hall.root.der,)
    known = hall.crls() if crls is None else crls
    return Terms(root, root, (hall.issuing.der,), known)


def sent(content: bytes) -> bytes:
    chunks = [content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES)]
    return b"".join(map(frame, (*chunks, b"")))


@pytest.fixture
def judge(hall: Hierarchy, tmp_path: Path) -> Iterator[Judge]:
    """A PDF by itself, or with `envelope` an envelope."""
    opened: list[Any] = []

    def work(
        content: bytes,
        *,
        envelope: bool = False,
        crls: tuple[bytes, ...] | None = None,
        terms: Terms | None = None,
        limits: JudgingLimits | None = None,
        known: object = AT,
    ) -> Judgement:
        found = terms or terms_of(hall, crls=crls)
        if limits is not None:
            found = Terms(found.anchors, found.stampers, found.helpers, found.crls, limits)
        scratch = (tmp_path / "scratch").open("w+b")
        opened.append(scratch)
        jobs = Jobs(found, scratch)
        opened.append(jobs)
        source = io.BytesIO(sent(content))
        judgement = jobs.judge(Heading(known, not envelope, "cong-van.pdf"), source)  # type: ignore[arg-type]
        assert not source.read(), "the next job would begin in the middle"
        return judgement

    yield work
    for one in opened:
        one.close()
