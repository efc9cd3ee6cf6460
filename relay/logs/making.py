"""Outputs as the configuration wants them, and what would keep one from working.

Touches: the files and certificates that the configuration names.
Raises:  nothing: an output that cannot work now is tried again while the node runs.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from typing import Final

from relay.errors import SettingsError
from relay.logs.files import RotatedFile, Stream
from relay.logs.forms import Form, console_form, json_form
from relay.logs.outputs import Cursor, Output, Outputs, Sink
from relay.logs.syslog import FACILITIES, Collector, syslog_form, tls_context
from relay.settings.outputs import OutputSection
from relay.settings.settings import Settings

STDOUT, STDERR = 1, 2
"""The process's own descriptors, whatever stands in for sys.stdout."""

CURSORS: Final = "outputs"
"""In the data folder: which entry each output gets next."""
FLUSH_SECONDS: Final = 2.0
_made: list[Outputs] = []
_NOBODY: Final = OutputSection(kind="stderr")


def make_outputs(settings: Settings) -> Outputs:
    """Started already."""
    sections = settings.logging.outputs or (_NOBODY,)
    outputs = Outputs([_output(one, settings) for one in sections])
    _made[:] = [outputs]
    outputs.start()
    return outputs


def flush(seconds: float = FLUSH_SECONDS) -> None:
    """Before the process ends at once: what was said is written, if that is possible soon."""
    for outputs in _made:
        outputs.flush(seconds)


def unfit_outputs(settings: Settings) -> list[str]:
    """A sentence for each problem."""
    return [
        f"logging.outputs: {one.called}: {problem}"
        for one in settings.logging.outputs
        for problem in (*_unfit_file(one), *_unfit_certificates(one))
    ]


def _output(one: OutputSection, settings: Settings) -> Output:
    cursor = settings.node.data_dir / CURSORS / one.called
    first = 0 if one.entries_from == "start" else -1
    return Output(
        one.called,
        _sink(one),
        _form(one, settings),
        level=logging.getLevelNamesMapping()[(one.level or settings.log.level).upper()],
        limit=settings.logging.queue_lines,
        cursor=Cursor(cursor, first) if one.entries else None,
    )


def _sink(one: OutputSection) -> Sink:
    if one.kind in {"stdout", "stderr"}:
        return Stream(STDOUT if one.kind == "stdout" else STDERR)
    if one.path is not None:
        age = one.rotate_every.total_seconds()
        return RotatedFile(one.path, one.rotate_bytes, age, one.keep, one.compress)
    if one.host is None or one.ca is None:
        raise SettingsError([f"logging.outputs: {one.called} names no host"])
    return Collector(one.host, one.port, one.ca, one.certificate, one.key)


def _form(one: OutputSection, settings: Settings) -> Form:
    node = settings.node.id
    if one.kind == "syslog":
        return syslog_form(node, one.sender or socket.gethostname(), FACILITIES[one.facility])
    chosen = one.format or ("json" if one.kind == "file" else settings.log.format)
    if chosen == "json":
        return json_form(node)
    stream = {"stdout": sys.stdout, "stderr": sys.stderr}.get(one.kind)
    return console_form(node, colour=stream is not None and stream.isatty())


def _unfit_file(one: OutputSection) -> Iterator[str]:
    if one.path is None:
        return
    if one.path.is_dir():
        yield f"{one.path} is a folder"
    elif one.path.exists() and not (one.path.is_file() and not one.path.is_symlink()):
        yield f"{one.path} is no plain file"
    elif one.path.exists() and not os.access(one.path, os.W_OK):
        yield f"{one.path} cannot be written by this user"
    elif not one.path.parent.is_dir():
        yield f"no folder {one.path.parent}"
    elif not os.access(one.path.parent, os.W_OK | os.X_OK):
        yield f"{one.path.parent} cannot be written by this user, and rotated files stay there"


def _unfit_certificates(one: OutputSection) -> Iterator[str]:
    if one.ca is None:
        return
    try:
        tls_context(one.ca, one.certificate, one.key)
    except OSError as error:
        yield f"its certificates do not serve: {error.strerror or error}"
