"""`relay backup` and `relay restore`: a node's journal copied while it runs, and brought back.

Touches: the node's data folder and the backup's, both on this machine.
Raises:  SettingsError, JournalError, InUseError, OSError.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.local import Config
from relay.cli.outcome import DATA, complain, remark, suggest
from relay.cli.show import moment, progress, show_json

if TYPE_CHECKING:
    from relay.journal.backup import Copied

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
        _show(made)
    else:
        said = made.backup
        remark(
            f"{folder}: journal of {said.node} as of {moment(said.made_at)}, {said.entries} log entries, "
            f"{said.payload_files} payload files; keys are not in it"
        )
    if made.lost:
        complain(
            f"this node's disk has lost {len(made.lost)} payload files, the first is {made.lost[0]}: "
            "the backup lacks them, too"
        )
        suggest(
            "look for them in earlier backups, under payloads/, and copy them into the data folder"
        )
        raise typer.Exit(DATA)


def restore(
    path: Config,
    folder: Annotated[Path, typer.Argument(help="A folder that `relay backup` made.")],
    incomplete: Annotated[
        bool,
        typer.Option(
            "--incomplete",
            help="Though it lacks payload files, or some are damaged: there is no other backup.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup into an empty data folder. The node's next start begins a new epoch of its log."""
    from relay import offline  # noqa: PLC0415

    with progress("copying payloads") as advance:
        found = offline.restore(path, folder, advance, incomplete=incomplete)
    if as_json:
        _show(found)
    else:
        remark(
            f"restored as of {moment(found.backup.made_at)}; start the node: it begins a new epoch of its log and "
            "asks its neighbours for what was exchanged since"
        )
        if found.lost:
            remark(f"without {len(found.lost)} payload files: {', '.join(found.lost)}")


def _show(copied: Copied) -> None:
    show_json({**asdict(copied.backup), "lost": copied.lost})
