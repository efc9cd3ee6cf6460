"""What every test may use."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from relay.audit import entries
from relay.demo import ports
from tests.documented_events import documented, undocumented
from tests.late_connections import close_late_connections


def pytest_configure() -> None:
    """Each of several processes draws its ports from a share of its own: what is free may be another's
    in a moment. A connection that comes as its server closes is closed too. Where the tests run in the background they
    ignore Ctrl-C, which what they start must not inherit."""
    close_late_connections()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker:
        share = len(ports.PORTS) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        ports.PORTS = ports.PORTS[int(worker) * share :][:share]


def needs(tool: str) -> str:
    """The path of an external program, or skip; where nothing may be skipped, fail."""
    path = shutil.which(tool)
    if path is None:
        if os.environ.get("TESTS_NO_SKIP"):
            pytest.fail(f"needs {tool}, which must be installed here")
        pytest.skip(f"skipped: needs {tool}")
    return path


@pytest.fixture(scope="session")
def xmlsec1() -> str:
    return needs("xmlsec1")


@pytest.fixture(scope="session")
def softhsm() -> str:
    """The program that sets up SoftHSM's tokens."""
    return needs("softhsm2-util")


@pytest.fixture(scope="session")
def rsyslogd() -> str:
    """A syslog receiver of others' make."""
    return needs("rsyslogd")


@pytest.fixture(scope="session")
def openssl() -> str:
    return needs("openssl")


@pytest.fixture(scope="session")
def thin_link() -> Any:
    """The class of thin_link.py, for tests of any room."""
    place = Path(__file__).with_name("thin_link.py")
    spec = importlib.util.spec_from_file_location("thin_link", place)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name].ThinLink


@pytest.fixture(autouse=True, scope="module")
def _entries_are_documented(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test has the product write into a log is an event and fields that docs/audit-log.md
    lists. The tests of the log's form write what they like."""
    if "audit" in request.path.parts:
        yield
        return
    encode, known = entries._encode, documented()

    def watched(fields: Mapping[str, object]) -> bytes:
        leaf = encode(fields)
        assert not undocumented(fields, known), f"docs/audit-log.md lacks these of {fields}"
        return leaf

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "_encode", watched)
        yield
