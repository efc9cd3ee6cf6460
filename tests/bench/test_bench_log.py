"""The cost of the audit log is measured, counted and shown."""

from __future__ import annotations

from pathlib import Path

from bench.log import PER_HOP, audit_log
from bench.programme import Results
from bench.report_log import as_json, shown


async def test_the_log_is_appended_published_proven_and_verified(tmp_path: Path) -> None:
    found = await audit_log(tmp_path, 1000, 0.1, lambda _: None)

    assert found.entries >= 1000
    assert found.envelope_us == found.entry_us * PER_HOP
    assert min(found.appended_per_second, found.publish_ms, found.verify_seconds) > 0
    results = Results((0.0, 0.0, 0.0), log=found)
    assert as_json(results)["log"]["entries"] == found.entries
    assert len(list(shown(results))) == 2
    assert not list(tmp_path.iterdir())


def test_a_log_that_was_not_measured_is_not_told() -> None:
    assert as_json(Results((0.0, 0.0, 0.0))) == {}
