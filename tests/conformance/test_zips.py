"""What the kit writes as others write a ZIP is of the one form, but for what is to be wrong."""

from __future__ import annotations

import io
import zipfile

import pytest

from relay.conformance.drafts import packed
from relay.conformance.zips import DEFLATED, STREAMED, changed, entries_of, zipped

FILES = {"mimetype": b"a", "one/two.xml": b"<x/>" * 100, "three": b""}


def test_of_the_one_form_it_is_the_same_bytes() -> None:
    """So what is refused is refused for what was changed."""
    assert zipped(entries_of(FILES)) == packed(FILES)


@pytest.mark.parametrize("how", [{"method": DEFLATED}, {"flags": STREAMED}, {"gap": b"hidden"}])
def test_otherwise_it_is_a_zip_that_libraries_read(how: dict[str, object]) -> None:
    """A reader that takes it finds the same files in it."""
    made = zipped(changed(FILES, "one/two.xml", **how))
    assert made != packed(FILES)
    with zipfile.ZipFile(io.BytesIO(made)) as file:
        assert {name: file.read(name) for name in file.namelist()} == FILES
