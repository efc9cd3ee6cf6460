"""What every test may use."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest


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
