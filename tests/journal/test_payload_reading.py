"""Reading a payload's file."""

from __future__ import annotations

import asyncio
import threading
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest

from relay.journal.payloads import _opened


async def test_a_file_that_nobody_waits_for_any_more_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader is cancelled while a thread opens it."""
    path, go, opened = tmp_path / "payload", threading.Event(), list[BufferedReader]()
    path.write_bytes(b"bytes")
    real = Path.open

    def slow(self: Path, *given: Any) -> Any:
        go.wait(10)
        opened.append(real(self, *given))
        return opened[0]

    monkeypatch.setattr(Path, "open", slow)
    reading = asyncio.create_task(_opened(path))
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    go.set()
    async with asyncio.timeout(10):
        while not opened or not opened[0].closed:
            await asyncio.sleep(0.01)
