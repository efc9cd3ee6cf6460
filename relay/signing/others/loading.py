"""Everything the judges' libraries may need later, loaded now: afterwards no file can be opened.

What was forgotten fails loudly: an import then is an ImportError, which no verdict hides.

Touches: the packages' own files; the interpreter's importers. Raises: ImportError where a library is not installed.
"""

from __future__ import annotations

import encodings
import importlib
import pkgutil
import sys
from contextlib import suppress
from datetime import UTC, datetime
from types import ModuleType

import asn1crypto
import cryptography
import pyhanko.pdf_utils
import pyhanko.sign.diff_analysis
import pyhanko.sign.validation
import pyhanko_certvalidator
import signxml

from relay.judgement import Flaw, read_judgement, unjudged, write_judgement

_LATE = ("_strptime", "stringprep", "zoneinfo", "uuid", "xml.sax.expatreader", "signxml.util")
"""Of the standard library and others, what is imported inside functions."""
_PACKAGES = (
    encodings,
    asn1crypto,
    cryptography,
    pyhanko.pdf_utils,
    pyhanko.sign.diff_analysis,
    pyhanko.sign.validation,
    pyhanko_certvalidator,
    signxml,
)
_NOT_NEEDED = (
    ".font",
    ".layout",
    "._ffi",
    "._inet",
    "._perf",
    ".fetchers",
    ".report",
    ".qualified",
    ".images",
    ".barcodes",
)
"""They want what is not installed, or reach for a network."""


def load_all() -> None:
    for name in _LATE:
        importlib.import_module(name)
    for package in _PACKAGES:
        _load(package)
    read_judgement(write_judgement(unjudged(Flaw.CRASHED, datetime.now(UTC))))


def _load(package: ModuleType) -> None:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not any(part in found.name for part in _NOT_NEEDED):
            with suppress(ImportError, LookupError, OSError, AttributeError):
                importlib.import_module(found.name)


def load_no_more() -> None:
    sys.meta_path.clear()
