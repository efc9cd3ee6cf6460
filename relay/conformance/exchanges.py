"""What went over the wire while an assertion was judged: kept for whoever must see why it failed.

Touches: the files of the folder it is told to write to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

BODY_LIMIT_BYTES = 2 << 20
"""Of each body kept; its length is told whole."""
EXCHANGES_LIMIT = 500
HELD_LIMIT_BYTES = 128 << 20
"""Of all bodies of an assertion; of what came behind, the lengths are told."""


@dataclass(slots=True)
class Exchange:
    """One request and its answer, as far as either came."""

    role: str
    """Which part the kit played: `kit-a at huyen-a`, `DMS at huyen-a`, `kit-a asked by huyen-a`."""
    method: str
    target: str
    request_headers: dict[str, str] = field(default_factory=dict)
    request: bytes = b""
    request_size: int = 0
    """Before it was cut to be kept; likewise below."""
    status: int = 0
    """0: none came; `fault` says why."""
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    answer_size: int = 0
    fault: str = ""


@dataclass(slots=True)
class Exchanges:
    """Of the assertion that is judged now."""

    held: list[Exchange] = field(default_factory=list)
    _room_bytes: int = HELD_LIMIT_BYTES

    @property
    def silent(self) -> bool:
        """Something was asked, and none of it came to an answer that one can read."""
        return bool(self.held) and all(one.fault for one in self.held)

    def begin(
        self, role: str, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Exchange:
        made = Exchange(role, method, target, _without_secrets(headers))
        made.request, made.request_size = self._kept(body), len(body)
        if len(self.held) < EXCHANGES_LIMIT:
            self.held.append(made)
        return made

    def answered(self, one: Exchange, body: bytes) -> None:
        one.answer, one.answer_size = self._kept(body), len(body)

    def clear(self) -> None:
        self.held, self._room_bytes = [], HELD_LIMIT_BYTES

    def _kept(self, body: bytes) -> bytes:
        """As much of it as is kept."""
        cut = body[:BODY_LIMIT_BYTES] if len(self.held) < EXCHANGES_LIMIT else b""
        if len(cut) > self._room_bytes:
            return b""
        self._room_bytes -= len(cut)
        return cut

    def write(self, folder: Path) -> None:
        """`001.json` with the heads, `001.request` and `001.answer` with the bytes, for each."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(self.held, 1):
            head = {
                "role": one.role,
                "method": one.method,
                "target": one.target,
                "request": {
                    "headers": one.request_headers,
                    "size": max(one.request_size, len(one.request)),
                },
                "answer": {
                    "status": one.status,
                    "headers": one.answer_headers,
                    "size": max(one.answer_size, len(one.answer)),
                },
                "fault": one.fault,
            }
            text = json.dumps(head, ensure_ascii=False, indent=1)
            (folder / f"{number:03}.json").write_text(f"{text}\n", encoding="utf-8")
            for suffix, content in (("request", one.request), ("answer", one.answer)):
                if content:
                    (folder / f"{number:03}.{suffix}").write_bytes(content[:BODY_LIMIT_BYTES])


_SECRET = frozenset({"authorization", "signature", "xroadvnpt-hash-header"})
"""Credentials, and what lets a signed call be made again: the axis dialect takes it for days."""


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    """What is kept may be shown to others."""
    return {name: "…" if name.lower() in _SECRET else value for name, value in headers.items()}
