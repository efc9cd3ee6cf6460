"""A summary as one HTML page for people and for paper: layout 1, Vietnamese first and English beside it.

The page stands alone: no scripts, nothing from elsewhere, nothing that moves. Every text goes through `text`,
which escapes it and takes out what would not be seen or would turn the writing around.

Touches: nothing. Trusts: nothing; the texts are a hostile document's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from typing import Final, NewType

from relay.signing.bundle_words import local_moment
from relay.signing.summary_words import Words

Html = NewType("Html", str)
Row = Sequence[Html]

_TEXT_LIMIT = 2_000
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Code points and no categories, which differ between releases of Unicode: the page must be the same."""

_STYLE: Final = """
@page { size: A4; margin: 18mm 16mm; }
body { font: 11pt/1.4 "Times New Roman", "DejaVu Serif", serif; color: #000; background: #fff; max-width: 60em;
  margin: 1.5em auto; padding: 0 1em; }
h1 { font-size: 17pt; margin: 0 0 .2em; }
h2 { font-size: 13pt; margin: 1.3em 0 .3em; border-bottom: 1px solid #000; break-after: avoid; }
table { border-collapse: collapse; width: 100%; margin: .3em 0; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { border: 1px solid #777; padding: .25em .45em; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { background: #eee; font-weight: bold; }
table.pairs th { width: 30%; }
.en { color: #444; font-style: italic; font-weight: normal; }
.id { font-family: "DejaVu Sans Mono", monospace; font-size: 8.5pt; }
.box { border: 2px solid #000; padding: .5em .8em; margin: .8em 0; break-inside: avoid; }
.whole { white-space: nowrap; }
bdi { unicode-bidi: isolate; }
@media print { body { margin: 0; padding: 0; max-width: none; } th { background: none; } }
"""
_HEAD: Final = (
    '<!DOCTYPE html>\n<html lang="vi">\n<head>\n<meta charset="utf-8">\n'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    '<meta name="referrer" content="no-referrer">\n'
    '<meta name="viewport" content="width=device-width">\n'
)


def text(words: str) -> Html:
    """Whatever anybody wrote, as text and nothing else, by itself."""
    cut = words[:_TEXT_LIMIT] + ("…" if len(words) > _TEXT_LIMIT else "")
    return Html(f"<bdi>{escape(_UNSEEN.sub('�', cut))}</bdi>")


def both(words: Words) -> Html:
    return Html(f'{escape(words.vi)} <span class="en" lang="en">{escape(words.en)}</span>')


def exact(words: str) -> Html:
    """A digest or an id."""
    return Html(f'<span class="id">{text(words)}</span>')


def whole(words: str) -> Html:
    """Short words of our own that are not broken over lines."""
    return Html(f'<span class="whole">{text(words)}</span>')


def moment(stamp: str) -> Html:
    return whole(local_moment(datetime.fromisoformat(stamp)))


def joined(*parts: Html) -> Html:
    return Html(" ".join(part for part in parts if part))


def lines(parts: Iterable[Html]) -> Html:
    return Html("<br>".join(parts))


def paragraph(*parts: Html) -> Html:
    return Html(f"<p>{joined(*parts)}</p>\n")


def box(*parts: Html) -> Html:
    return Html(f'<div class="box">{lines(parts)}</div>\n')


def section(title: Words, *parts: Html) -> Html:
    return Html(f"<h2>{both(title)}</h2>\n{''.join(parts)}")


def pairs(rows: Iterable[tuple[Words, Html]]) -> Html:
    """What it is, and the value; rows without a value are left out."""
    body = "".join(f"<tr><th>{both(w)}</th><td>{one}</td></tr>\n" for w, one in rows if one)
    return Html(f'<table class="pairs">\n{body}</table>\n')


def table(heads: Sequence[Words], rows: Iterable[Row]) -> Html:
    head = "".join(f"<th>{both(one)}</th>" for one in heads)
    body = "".join(_row(row) for row in rows)
    return Html(f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n")


def _row(cells: Row) -> str:
    return f"<tr>{''.join(f'<td>{one}</td>' for one in cells)}</tr>\n"


def page(title: Words, parts: Iterator[Html]) -> bytes:
    head = f"{_HEAD}<title>{escape(title.vi)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
    return f"{head}<h1>{both(title)}</h1>\n{''.join(parts)}</body>\n</html>\n".encode()
