"""The benchmark's results as JSON: programs read them, so their keys stay."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from bench.axis import Axis
from bench.backlog import Intake, Window
from bench.directory import Listed, Step, Waits
from bench.express import Express
from bench.hop import Load, Result
from bench.idle import Idle
from bench.line import Latency
from bench.programme import Results
from bench.report import as_json, shown
from bench.start import Start
from relay.signing.pki import KeyType


def _intake(queued: int, rate: float) -> Intake:
    return Intake(queued, 100, rate, 10.0, 20.0, 1000.0, 50.0, 80.0, 120.0, 130.0 + rate)


def _axis(documents: int, polls: float) -> Axis:
    return Axis(documents, polls, 20.0, 40.0, 300.0, 90.0, 150.0, 4.0, 2.0, 120.0)


def _start(queued: int, ready_ms: float) -> Start:
    return Start(queued, ready_ms, 80.0, 12.0, 0.5)


@pytest.fixture
def results() -> Results:
    nodes = ("commune", "district", "province", "central")
    hop = Result(
        9,
        9.0,
        8.0,
        1.0,
        2.0,
        3.0,
        4.0,
        5.0,
        6.0,
        7.5,
        (7.0, 7.0, 7.0, 9.0),
        (1.0, 1.0, 1.0, 8.0),
        (20.8, 19.4),
    )
    return Results(
        load_average=(0.1, 0.2, 0.3),
        runs=[(Load(5_000, KeyType.P256, 48, 1.0, 2.0), [hop])],
        window=Window(48, 1.0, 2.0),
        disk_mib=1234.0,
        backlog=(
            [_intake(0, 700.0), _intake(0, 900.0), _intake(0, 800.0)],
            [_intake(1_000_000, 600.0)],
        ),
        express=Express(100_000, 256, 0, (3, 50, 200), (300.0, 400.0, 900.0)),
        start=([_start(0, 900.0)], [_start(100_000, 950.0)]),
        latency=Latency(80.0, 40.0, 400, 9.0, 30.0, 60.0, 130.0, 150.0, dict.fromkeys(nodes, 90.0)),
        idle=Idle(
            30.0,
            dict.fromkeys(nodes, 0.0002) | {"central": 0.0004},
            dict.fromkeys(nodes, 2.0),
            dict.fromkeys(nodes, 90.0),
        ),
        axis=([_axis(1, 1300.0)], [_axis(1_000_000, 1200.0)]),
        directory=Listed(
            125_000,
            15.0,
            (
                Step("import", 9.0, 8.0, Waits(1.0, 4.0, 12.0), 120.0, 190.0),
                Step("start", 2.0, 1.5, None, 125.0, 130.0),
            ),
            90.0,
            190.0,
            {"next hop": 8.0},
        ),
    )


def test_the_runs_of_a_hop_keep_their_shape(results: Results) -> None:
    """What read the first version's results reads these."""
    run = as_json(results)["runs"][0]

    first = {
        "size_bytes", "key", "envelopes_per_second", "cpu_us_per_envelope", "p50_ms", "p99_ms",
        "rss_peak_mib",
    }  # fmt: skip
    assert first <= set(run)
    assert run["envelopes_per_second"] == 8.0
    assert run["rss_peak_mib"] == 9
    assert run["load_cpu_us_per_envelope"] == 8


def test_every_measurement_has_a_key_of_its_own(results: Results) -> None:
    found = json.loads(json.dumps(as_json(results)))

    empty, full = found["backlog"]
    assert (empty["queued"], full["queued"]) == (0, 1_000_000)
    assert empty["accepted_per_second"] == 800.0
    assert empty["rss_peak_mib"] == 1030.0
    assert found["express"]["ahead_of_later"] == [3, 50, 200]
    assert [one["queued"] for one in found["start"]] == [0, 100_000]
    assert (found["latency"]["p50_ms"], found["latency"]["p99_ms"]) == (60.0, 130.0)
    assert found["idle"]["cpu_seconds_per_second_one"] == 0.0004
    assert found["idle"]["cpu_seconds_per_second_four"] == 0.001
    listed = found["directory"]
    assert [one["wait_most_ms"] for one in listed["steps"]] == [12.0, None]
    assert (listed["agencies"], listed["lookups_us"]) == (125_000, {"next hop": 8.0})
    alone, many = found["axis"]
    assert (alone["documents"], many["documents"]) == (1, 1_000_000)
    assert (alone["polls_per_second"], many["sends_per_second"]) == (1300.0, 300.0)


def test_what_was_not_measured_is_not_there() -> None:
    found = as_json(Results((0.0, 0.0, 0.0)))
    assert set(found) == {"machine", "load_average", "runs"}
    assert found["runs"] == []


def test_every_measurement_is_shown_with_what_it_means(results: Results) -> None:
    console = Console(file=io.StringIO(), width=200)
    for part in shown(results):
        console.print(part)
    text = console.file.getvalue()  # type: ignore[attr-defined]

    for said in (
        "one hop",
        "1,000,000",
        "stand-ins",
        "express",
        "/readyz",
        "four nodes",
        "all four",
        "empty polls",
        "125,000 agencies",
    ):
        assert said in text
