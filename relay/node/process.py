"""The process that a node is: until it is told to stop, or something of ours fails.

Touches: signals, the collector, the log's configuration; ends the process.
Raises:  SettingsError, JournalError before anything is served.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from pathlib import Path

import structlog

from relay import logs
from relay.lines import Line
from relay.logs.outputs import Outputs
from relay.node.event_loop import EventLoop
from relay.node.node import Node
from relay.offline import examine
from relay.settings.settings import Settings

log = structlog.get_logger("relay.node")
EXIT_FAULT = 70
"""sysexits EX_SOFTWARE: a background task failed, so that a supervisor starts the node again."""
CLOSING_SECONDS = 10.0
"""What closing may take after the drain: more means a disk that does not answer."""


def serve(config: Path) -> int:
    """Run a node until it is told to stop; the exit code."""
    settings, remarks = examine(config)
    outputs = logs.make_outputs(settings)
    logs.configure(outputs)
    try:
        for remark in remarks:
            log.warning(Line.CONFIGURATION_REMARK, remark=remark)
        with asyncio.Runner(loop_factory=EventLoop) as runner:
            return runner.run(_run_until_told(settings, outputs))
    finally:
        outputs.close(CLOSING_SECONDS)


async def _run_until_told(settings: Settings, outputs: Outputs) -> int:
    node = Node(settings, outputs=outputs)
    loop = asyncio.get_running_loop()
    starting = asyncio.create_task(node.start())
    told = asyncio.Event()
    drain = settings.delivery.drain.total_seconds()

    def tell(number: int) -> None:
        if told.is_set():
            log.warning(Line.NODE_ENDS_AT_ONCE, signal=signal.Signals(number).name)
            logs.flush()
            os._exit(128 + number)
        told.set()
        log.info(Line.NODE_STOPPING, drain=drain)
        _end_within(drain + CLOSING_SECONDS)
        starting.cancel()  # where it still goes on: a migration takes minutes

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell, number)
    loop.add_signal_handler(signal.SIGHUP, outputs.reopen)
    await asyncio.wait({starting})
    if not starting.cancelled():
        await starting  # raises what it raised
        _settle_collector()
        await told.wait()
        await node.stop()
    log.info(Line.NODE_STOPPED)
    return EXIT_FAULT if node.failed else 0


def _settle_collector() -> None:
    """What was made at the start stays: the collector need not walk it again and again, nor look after
    every few hundred objects, when a document makes that many that all end with it. Measured: a
    twentieth of the processor time of a hop."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _end_within(seconds: float) -> None:
    """Whatever hangs: what is durable is durable, and the next start recovers the rest."""

    def end() -> None:
        log.critical(Line.STOP_TOOK_TOO_LONG, seconds=seconds)
        logs.flush()
        os._exit(EXIT_FAULT)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
