"""One run from its options to its reports.

Touches: the folders and files it is told of, and what the run touches.
Raises:  SettingsError for what cannot be read or does not fit together.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import current_thread, main_thread

from relay.conformance import credentials, recording
from relay.conformance.clauses import every_assertion
from relay.conformance.instants import now
from relay.conformance.own import own_nodes
from relay.conformance.profile import Profile
from relay.conformance.reports import document, filed, junit, page
from relay.conformance.reports.document import About, Tested
from relay.conformance.running import Crash, Run
from relay.conformance.stand import Restoring
from relay.conformance.subject import Subject, require_roots
from relay.conformance.verdicts import HELD, Assertion, Judged
from relay.errors import SettingsError
from relay.signing.keys import Signer

_NATURAL = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be judged, and how."""

    folder: Path
    """For the kit's certificates and the bytes of what did not hold."""
    subjects: tuple[Subject, Subject] | None = None
    """None: two nodes that are started for it."""
    only: tuple[str, ...] = ()
    profile: Profile = field(default_factory=Profile)
    record: Path | None = None
    """Where the bytes of everything are kept."""
    told: Callable[[Judged], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Performed:
    """What came of a run, and who signs for it."""

    judged: tuple[Judged, ...]
    about: About
    runner: Signer

    @property
    def holds(self) -> bool:
        return all(one.verdict in HELD for one in self.judged)

    def as_json(self) -> dict[str, object]:
        return document.of(self.judged, self.about)

    def as_junit(self) -> bytes:
        return junit.written(self.judged)

    def as_page(self) -> bytes:
        return page.written(self.judged, self.about)

    def as_filed(self, at: datetime) -> bytes:
        """The signed container, with the bytes that were kept."""
        kept = {one.kept: f"kept/{Path(one.kept).name}" for one in self.judged if one.kept}
        there = tuple(replace(one, kept=kept.get(one.kept, "")) for one in self.judged)
        told = document.of(there, self.about)
        files = {
            filed.PAGE: self.as_page(),
            filed.DOCUMENT: json.dumps(told, ensure_ascii=False, indent=1).encode(),
            filed.JUNIT: self.as_junit(),
        }
        for folder, name in kept.items():
            for path in sorted(Path(folder).iterdir()):
                files[f"{name}/{path.name}"] = path.read_bytes()
        return filed.written(files, self.runner, at)


def chosen(only: Sequence[str]) -> list[Assertion]:
    """Those of these chapters, clauses and names, in the order of their clauses; all, where none is named."""
    every = sorted(every_assertion(), key=lambda one: _order(one.clause))
    for name in only:
        if not any(named(name, one) for one in every):
            raise SettingsError([f"no assertion is of {name}{_near(name, every)}"])
    return [one for one in every if not only or any(named(name, one) for name in only)]


def _near(name: str, every: Sequence[Assertion]) -> str:
    """What may have been meant."""
    known = {text for one in every for text in (one.full_name, str(one.clause), one.chapter)}
    near = difflib.get_close_matches(name.upper() if "/" not in name else name, sorted(known), 3)
    return f": {', '.join(near)}?" if near else "; relay conformance --list has them all"


def named(name: str, one: Assertion) -> bool:
    return name in {one.full_name, one.clause, one.chapter}


def _order(clause: str) -> list[tuple[int, str]]:
    """W4.5 before W4.10."""
    parts = _NATURAL.split(clause)
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts if part]


_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def _told_to_end() -> Iterator[None]:
    """By Ctrl-C or SIGTERM: in order, with what there is by then. Once is enough: whoever is told again is ending."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None or current_thread() is not main_thread():
        yield
        return

    told = False

    def end() -> None:
        nonlocal told
        if not told:
            told = True
            task.cancel()

    for each in _ENDING:
        loop.add_signal_handler(each, end)
    try:
        yield
    finally:
        for each in _ENDING:
            loop.remove_signal_handler(each)
            if told:  # it has little left to do, and is to do it
                signal.signal(each, signal.SIG_IGN)


async def perform(options: Options) -> Performed:
    """Whoever ends it gets a report of what it came to; CancelledError where it had not begun to judge."""
    with _told_to_end():
        return await _performed(options)


async def _performed(options: Options) -> Performed:
    began, assertions = now(), chosen(options.only)
    claimed = tuple(options.profile.not_claimed)
    if options.subjects is None:
        with tempfile.TemporaryDirectory(prefix="relay-judged-") as home:
            async with own_nodes(Path(home), began) as made:
                found = await _judged(
                    options,
                    made.subjects,
                    made.authority,
                    assertions,
                    made.crashes,
                    made.restores,
                )
                runner = credentials.runner(made.authority, made.subjects, began)
                tested = made.subjects
                _keep_root(made.authority.root, options.folder)
                _keep_roots(options, tested, made.authority)
    else:
        require_roots(*options.subjects)
        authority = credentials.prepare(options.folder, options.subjects, began)
        found = await _judged(options, options.subjects, authority, assertions, {}, {})
        runner = credentials.runner(authority, options.subjects, began)
        tested = options.subjects
        _keep_roots(options, tested, authority)
    judged, versions, ended_before = found
    nodes = tuple(Tested(one.id, versions.get(one.id, ""), _address(one)) for one in tested)
    about = About(began, nodes, options.profile.name, claimed, options.only, ended_before)
    performed = Performed(tuple(judged), about, runner)
    if options.record is not None:
        recording.write_index(options.record, performed.as_json())
    return performed


def _keep_roots(
    options: Options, subjects: Sequence[Subject], authority: credentials.Authority
) -> None:
    if options.record is not None:
        roots = [*(one.roots for one in subjects), authority.root]
        recording.write_roots(options.record, roots)


def _keep_root(root: Path, folder: Path) -> None:
    """The runner's certificate leads to it; the authority itself goes with the nodes."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root, folder / credentials.ROOT)


async def _judged(
    options: Options,
    subjects: tuple[Subject, Subject],
    authority: credentials.Authority,
    assertions: Sequence[Assertion],
    crashes: Mapping[str, Crash],
    restores: Mapping[str, Restoring],
) -> tuple[list[Judged], dict[str, str], bool]:
    claiming = tuple(
        one.model_copy(update={"not_claimed": (*one.not_claimed, *options.profile.not_claimed)})
        for one in subjects
    )
    keep = options.record or options.folder / "kept"
    if keep.exists() and options.record is None:
        shutil.rmtree(keep)  # of the run before
    run = Run(
        (claiming[0], claiming[1]),
        authority,
        assertions,
        keep,
        keep_all=options.record is not None,
        told=options.told,
        crashes=crashes,
        restores=restores,
    )
    try:
        return await run.judge(), run.versions, False
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return run.in_order(), run.versions, True


def _address(subject: Subject) -> str:
    return subject.nodes or subject.axis or subject.native or ""
