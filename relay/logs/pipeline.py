"""From a call of structlog, or of the standard library's logging, to a record in the outputs' queues.

Touches: the process's logging, warnings included. Raises: nothing.
"""

from __future__ import annotations

import logging
import time
import traceback
from typing import Any

import structlog

from relay.lines import Line
from relay.logs.outputs import Outputs
from relay.logs.record import EXCEPTION_LIMIT, Record, plain, text

_NUMBERS = logging.getLevelNamesMapping()


class _Exit:
    """What structlog calls a logger: knows its name, takes records."""

    __slots__ = ("critical", "debug", "error", "info", "name", "warning")

    def __init__(self, outputs: Outputs, name: str) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = outputs.put


def configure(outputs: Outputs, *, cache: bool = True) -> None:
    """From now on every line of the process goes there."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _record],
        wrapper_class=structlog.make_filtering_bound_logger(outputs.level),
        logger_factory=lambda *names: _Exit(outputs, names[0] if names else "relay"),
        cache_logger_on_first_use=cache,
    )
    level = max(outputs.level, logging.WARNING)
    logging.basicConfig(handlers=[_Libraries(outputs)], level=level, force=True)
    logging.captureWarnings(True)


def _record(logger: Any, method: str, found: Any) -> tuple[tuple[Record], dict[str, object]]:
    event, about = found.pop("event"), found.pop("exc_info", None)
    level = "error" if method == "exception" else method
    record = Record(
        time.time_ns(),
        level,
        _NUMBERS[level.upper()],
        str(event),
        logger.name,
        {name: plain(value) for name, value in found.items()},
        _traceback(about),
    )
    return (record,), {}


def _traceback(about: Any) -> str:
    """As text, without the frames' variables: keys are among them."""
    if not about:
        return ""
    if about is True:
        said = traceback.format_exc()
    else:
        error = about[1] if isinstance(about, tuple) else about
        said = "".join(traceback.format_exception(error))
    return _lines(said)


def _lines(said: str) -> str:
    """Cut in its middle; the newlines stay, which JSON writes as two characters."""
    if len(said) > EXCEPTION_LIMIT:
        half = EXCEPTION_LIMIT // 2
        said = f"{said[:half]}\n…\n{said[-half:]}"
    return "\n".join(text(line, EXCEPTION_LIMIT) for line in said.splitlines())


class _Libraries(logging.Handler):
    """Lines of aiohttp, asyncio and warnings, whose words are not ours."""

    def __init__(self, outputs: Outputs) -> None:
        super().__init__()
        self._outputs = outputs

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._outputs.put(_of_library(record))
        except Exception:  # noqa: BLE001  whatever a library hands in
            self.handleError(record)


def _of_library(record: logging.LogRecord) -> Record:
    bound = structlog.contextvars.get_contextvars()
    return Record(
        time.time_ns(),
        record.levelname.lower(),
        record.levelno,
        Line.LIBRARY_SAID.value,
        text(record.name, 100),
        {
            **{name: plain(value) for name, value in bound.items()},
            "said": text(record.getMessage()),
        },
        _traceback(record.exc_info),
    )
