"""SQL as named text: each `-- name: <word>` in a .sql file of this folder is one statement.

Touches: the package's own files, once.
"""

from __future__ import annotations

from importlib import resources


def load(room: str) -> dict[str, str]:
    """The statements of `<room>.sql` by name; a name twice is a bug."""
    statements: dict[str, str] = {}
    text = resources.files(__package__).joinpath(f"{room}.sql").read_text(encoding="utf-8")
    for block in text.split("-- name: ")[1:]:
        name, _, body = block.partition("\n")
        if name.strip() in statements:
            raise ValueError(f"{room}.sql names {name.strip()} twice")
        statements[name.strip()] = body.strip()
    return statements
