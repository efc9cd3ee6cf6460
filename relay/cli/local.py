"""`relay serve`, `relay config check`, `relay demo`: what runs on this machine.

Touches: the collector while a node is imported; else nothing itself: node, settings and demo do.
Raises:  SettingsError, JournalError.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.outcome import code_of, remark, verdict
from relay.cli.show import show_json
from relay.errors import SettingsError

config = typer.Typer(help="Look at a configuration.", no_args_is_help=True)

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="The node's configuration (TOML).")]


def serve(path: Config) -> None:
    """Run a node until it is told to stop (SIGTERM or SIGINT)."""
    gc.disable()  # what is imported stays; to look through it again and again is a tenth of importing it
    from relay.node import process  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    raise typer.Exit(process.serve(path))


@config.command("check")
@verdict
def check(path: Config, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Check everything a start would: settings, directory, keys and certificates."""
    from relay import offline  # noqa: PLC0415

    try:
        settings, remarks = offline.examine(path)
    except SettingsError as error:
        if not as_json:
            raise
        show_json({"verdict": "INVALID", "problems": list(error.problems)})
        raise typer.Exit(code_of(error)) from None
    if as_json:
        show_json(
            {
                "verdict": "VALID",
                "node": settings.node.id,
                "data_dir": str(settings.node.data_dir),
                "warnings": list(remarks),
            }
        )
        return
    for one in remarks:
        remark(f"warning: {one}")
    remark(f"{path} is fit to start node {settings.node.id}")


def demo(
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Leave the nodes running until interrupted, and say how to reach them."
        ),
    ] = False,
    bridge: Annotated[
        bool,
        typer.Option(
            "--bridge",
            help="Reach the ministry's node over the axis dialect only, as a foreign axis.",
        ),
    ] = False,
    revoke: Annotated[
        bool,
        typer.Option(
            "--revoke", help="Revoke an agency's certificate while its documents are queued."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Start four nodes on this machine and carry a document through them, with proof."""
    from relay import demo as four_nodes  # noqa: PLC0415

    if revoke and (keep or bridge):
        raise typer.BadParameter("--revoke is a story of its own: neither --keep nor --bridge")
    done = four_nodes.run(keep=keep, as_json=as_json, bridge=bridge, revoke=revoke)
    raise typer.Exit(done)
