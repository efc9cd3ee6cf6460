"""The command `relay`: every verb in one tree, and one way out of each.

Touches: nothing but the process's exit code.
Raises:  SystemExit. Heavy rooms are imported by the verb that needs them, so that help comes at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, Exit, TyperException

from relay import __version__
from relay.cli import (
    archive,
    audit,
    backup,
    carry,
    cert,
    compare,
    conformance,
    directory,
    evidence,
    inbox,
    judge,
    local,
    obligations,
    operate,
    pki,
    queue,
    reconcile,
    recovery,
    send,
    sent,
    stats,
    system,
    token,
    track,
    trust,
    verify,
)
from relay.cli.outcome import INTERNAL, INTERRUPTED, USAGE, complain, fail, suggest, verdict
from relay.cli.streams import make_ready, silence_stdout
from relay.errors import RelayError


class Verbs(TyperGroup):
    """A group whose every failure ends in the exit code of outcome.py."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        try:
            code = super().main(args, "relay", complete_var, False, windows_expand_args, **extra)
        except TyperException as error:
            _explain_usage(error)
            sys.exit(USAGE)
        except (Abort, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Help is written here."""
        with _ended():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        with _ended():
            return super().invoke(ctx)


@contextmanager
def _ended() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        silence_stdout()
        raise Exit(0) from None
    except (RelayError, OSError) as error:
        fail(error)


app = typer.Typer(
    cls=Verbs,
    help="Trục Relay: carry official documents between agencies, and prove what happened to them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve")(local.serve)
app.command("send")(send.send)
app.command("seal")(send.seal)
app.command("inbox")(inbox.inbox)
app.command("fetch")(inbox.fetch)
app.command("ack")(inbox.ack)
app.command("sent")(sent.sent)
app.command("track")(track.track)
app.command("obligations")(obligations.obligations)
app.command("stats")(stats.stats)
app.command("why")(queue.why)
app.add_typer(queue.app, name="queue")
app.command("hold")(operate.hold)
app.command("release")(operate.release)
app.command("requeue")(operate.requeue)
app.command("cancel")(operate.cancel)
app.command("redirect")(operate.redirect)
app.command("flush")(operate.flush)
app.command("verify")(verdict(verify.verify))
app.command("judge")(verdict(judge.judge))
app.command("compare")(verdict(compare.compare))
app.add_typer(carry.app, name="carry")
app.add_typer(evidence.app, name="evidence")
app.add_typer(archive.app, name="archive")
app.add_typer(directory.app, name="directory")
app.add_typer(token.app, name="token")
app.add_typer(system.app, name="system")
app.add_typer(trust.app, name="trust")
app.add_typer(audit.app, name="audit")
app.add_typer(local.config, name="config")
app.add_typer(cert.app, name="cert")
app.add_typer(pki.app, name="pki")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("reconcile")(verdict(reconcile.reconcile))
app.command("recovery")(recovery.recovery)
app.command("demo")(local.demo)
app.command("conformance")(verdict(conformance.conformance))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"relay {__version__}")
        raise Exit(0)


@app.callback()
def relay(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Trục Relay: carry official documents between agencies, and prove what happened to them."""


def run() -> None:
    """The entry point. A bug of ours is loud: its traceback, and exit code 70."""
    make_ready()
    try:
        app()
    except Exception:  # noqa: BLE001 - the last resort: shown whole, never swallowed
        import traceback  # noqa: PLC0415

        traceback.print_exc()
        complain("a bug in relay; the lines above say where")
        sys.exit(INTERNAL)


def _explain_usage(error: TyperException) -> None:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        return
    said = error.format_message().replace("\n", " ").replace("Value error, ", "")
    complain(said.rstrip("."))
    if context is not None:
        suggest(f"{context.command_path} --help")
