"""`relay backup` and `relay restore`: a node's journal copied while it runs, and brought back.

Touches: the node's data folder and the backup's, both on this machine.
Raises:  SettingsError, JournalError, InUseError.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.local import Config
from relay.cli.outcome import remark
from relay.cli.show import progress, show_json

AsJson = Annotated[bool, typer.Option("--json", help="Tell what was copied as JSON.")]


def backup(
    path: Config,
    folder: Annotated[Path, typer.Argument(help="Where to; must not exist.")],
    as_json: AsJson = False,
) -> None:
    """Copy a node's journal and payloads, while it runs or not. Keys and settings are not in it."""
    from relay import offline  # noqa: PLC0415

    with progress("copying payloads") as advance:
        made = offline.back_up(path, folder, advance)
    if as_json:
        show_json(asdict(made))
    else:
        remark(
            f"{folder}: journal of {made.node} as of {made.made_at}, {made.entries} log entries, "
            f"{made.payload_files} payload files; keys are not in it"
        )


def restore(
    path: Config,
    folder: Annotated[Path, typer.Argument(help="A folder that `relay backup` made.")],
    as_json: AsJson = False,
) -> None:
    """Bring a backup into an empty data folder. The node's next start begins a new epoch of its log."""
    from relay import offline  # noqa: PLC0415

    with progress("copying payloads") as advance:
        found = offline.restore(path, folder, advance)
    if as_json:
        show_json(asdict(found))
    else:
        remark(
            f"restored as of {found.made_at}; start the node: it begins a new epoch of its log and "
            "asks its neighbours for what was exchanged since"
        )
