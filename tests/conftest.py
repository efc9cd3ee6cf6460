"""What every test may use."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(tool: str) -> str:
    """The path of an external program, or skip; where nothing may be skipped, fail."""
    path = shutil.which(tool)
    if path is None:
        if os.environ.get("RELAY_TESTS_NO_SKIP"):
            pytest.fail(f"needs {tool}, which must be installed here")
        pytest.skip(f"skipped: needs {tool}")
    return path


@pytest.fixture(scope="session")
def xmlsec1() -> str:
    return needs("xmlsec1")
