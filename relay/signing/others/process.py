"""The worker from the node's side: started when needed, bounded, replaced when it fails.

One job at a time. A worker that dies over a file is replaced and the file tried once more; one that takes
too long is killed. Either way the answer is UNKNOWN with its reason, and the node goes on. What comes back
is read as hostile as anything else.

Touches: a child process, an unlinked scratch file in the folder given.
Trusts:  nothing of the answers but their form. Raises: nothing; OSError where no process can be started is
         `crashed`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from relay.judgement import Flaw, Judgement, read_judgement, unjudged
from relay.lines import Line
from relay.signing.others.protocol import (
    ANSWER_LIMIT_BYTES,
    CHUNK_BYTES,
    LENGTH,
    NOT_INSTALLED,
    READY,
    Heading,
    Terms,
    frame,
    write_heading,
    write_terms,
)
from relay.signing.others.worker import SCRATCH_FD

START_SECONDS = 30.0
"""For loading the libraries on a busy machine; not part of a job's time."""
MOST_JOBS = 2000
"""Then a worker is replaced: libraries keep a little of each file."""
PROGRAM = "from relay.signing.others.worker import run; run()"
Chunks = Callable[[], AsyncIterator[bytes]]
log = structlog.get_logger("relay.judging")


class _DiedError(Exception):
    """The worker is gone, or said what no worker says."""


@dataclass(slots=True)
class JudgingProcess:
    """`terms` is asked before each job: when it changed, a new worker takes over."""

    terms: Callable[[], Terms]
    folder: Path
    """Where the scratch file may be: large, and private to the node."""
    program: str = PROGRAM
    _process: asyncio.subprocess.Process | None = None
    _terms: Terms | None = None
    _jobs: int = 0
    _installed: bool = True
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def judge(self, chunks: Chunks, heading: Heading) -> Judgement:
        """`chunks` gives the file's bytes from the start each time it is called."""
        async with self._turn:
            for attempt in (1, 2):
                try:
                    await self._ready()
                    if not self._installed:
                        return unjudged(Flaw.NOT_INSTALLED, heading.known)
                    within = self._within()
                    async with asyncio.timeout(within):
                        return await self._ask(chunks, heading)
                except TimeoutError:
                    await self._end()
                    log.warning(Line.JUDGING_TIMED_OUT, attempt=attempt)
                    return unjudged(Flaw.TIMED_OUT, heading.known)
                except (_DiedError, OSError, ValueError) as error:
                    await self._end()
                    log.warning(Line.JUDGING_BROKE_OFF, attempt=attempt, error=type(error).__name__)
                except BaseException:
                    await self._end()  # cancelled in the middle: the next job needs a fresh one
                    raise
            return unjudged(Flaw.CRASHED, heading.known)

    async def rest(self) -> None:
        """End the worker if nobody uses it; the next job starts another."""
        if not self._turn.locked():
            async with self._turn:
                await self._end()

    async def close(self) -> None:
        await self._end()

    def _within(self) -> float:
        assert self._terms is not None  # noqa: S101  made ready before
        return self._terms.limits.within.total_seconds()

    async def _ready(self) -> None:
        terms = self.terms()
        process = self._process
        fit = process is not None and process.returncode is None and self._jobs < MOST_JOBS
        if fit and terms == self._terms:
            return
        if not self._installed and terms == self._terms:
            return
        await self._end()
        self._terms, self._jobs = terms, 0
        async with asyncio.timeout(START_SECONDS):
            self._process = await self._start()
            self._write(frame(write_terms(terms)))
            answer = await self._read()
        if answer not in {READY, NOT_INSTALLED}:
            raise _DiedError
        self._installed = answer == READY

    async def _start(self) -> asyncio.subprocess.Process:
        """No environment, no descriptor but the pipes and the scratch file."""
        with tempfile.TemporaryFile(dir=self.folder) as scratch:
            # The child finds it under SCRATCH_FD: a shell-free way to give a descriptor a number.
            code = f"import os; os.dup2({scratch.fileno()}, {SCRATCH_FD});{self.program}"
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-c",
                code,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=(scratch.fileno(),),
                cwd="/",
                env={},
                start_new_session=True,
            )

    async def _ask(self, chunks: Chunks, heading: Heading) -> Judgement:
        self._jobs += 1
        self._write(frame(write_heading(heading)))
        async for chunk in chunks():
            for start in range(0, len(chunk), CHUNK_BYTES):
                self._write(frame(chunk[start : start + CHUNK_BYTES]))
                await self._drain()
        self._write(frame(b""))
        await self._drain()
        return read_judgement(await self._read())

    def _write(self, content: bytes) -> None:
        if self._process is None or self._process.stdin is None:
            raise _DiedError
        self._process.stdin.write(content)

    async def _drain(self) -> None:
        if self._process is None or self._process.stdin is None:
            raise _DiedError
        await self._process.stdin.drain()

    async def _read(self) -> bytes:
        if self._process is None or self._process.stdout is None:
            raise _DiedError
        try:
            (size,) = LENGTH.unpack(await self._process.stdout.readexactly(LENGTH.size))
            if size > ANSWER_LIMIT_BYTES:
                raise _DiedError
            return await self._process.stdout.readexactly(size)
        except asyncio.IncompleteReadError:
            raise _DiedError from None

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def judge_once(terms: Terms, path: Path, heading: Heading) -> Judgement:
    """One file, for the terminal."""
    folder = Path(tempfile.gettempdir())
    process = JudgingProcess(lambda: terms, folder)
    try:
        return await process.judge(lambda: _chunks_of(path), heading)
    finally:
        await process.close()


async def _chunks_of(path: Path) -> AsyncIterator[bytes]:
    handle = os.open(path, os.O_RDONLY)
    try:
        while chunk := os.read(handle, CHUNK_BYTES):
            yield chunk
    finally:
        os.close(handle)
