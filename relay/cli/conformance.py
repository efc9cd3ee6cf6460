"""`relay conformance`: judge two nodes by their wire.

Touches: the files of the judged nodes, a folder of its own, connections.
Raises:  SettingsError for what cannot be read; exit code 1 where anything failed or could not be told.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.outcome import INTERRUPTED
from relay.errors import SettingsError

if TYPE_CHECKING:
    from relay.conformance.performing import Performed


def conformance(
    nodes: Annotated[
        list[Path] | None, typer.Argument(help="Two files, one for each judged node.")
    ] = None,
    *,
    own: Annotated[bool, typer.Option("--self", help="Start two nodes and judge them.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Only list the assertions.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Chapters, clauses or assertions: W4, W4.5, W4.5/same-bytes."),
    ] = None,
    profile: Annotated[
        Path | None, typer.Option(help="TOML: what of the wire format is not claimed.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the kit's certificates and the bytes of what did not hold."
            " [default: conformance for given nodes; nothing is kept of --self]"
        ),
    ] = None,
    setup: Annotated[
        bool, typer.Option("--setup", help="Only make the certificates and say what to configure.")
    ] = False,
    record: Annotated[
        Path | None, typer.Option(help="Keep the bytes of every exchange in this new folder.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the signed report there: an ASiC-E container.")
    ] = None,
    to_html: Annotated[Path | None, typer.Option("--html", help="Write its page there.")] = None,
    to_junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML there.")] = None,
    check: Annotated[
        Path | None, typer.Option(help="Only check the signature of a report that was filed.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Only prove again what nodes signed in a recording.")
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="With --check or --replay: the root that certificates must lead to."),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--all", help="Show every assertion, not only what did not hold.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Judge two nodes, of any make, by what they say on the wire."""
    from relay.conformance import performing  # noqa: PLC0415 - see main.py
    from relay.conformance.reports import table  # noqa: PLC0415

    if check is not None:
        _check(check, root)
        return
    if replay is not None:
        _replay(replay, root)
        return
    if listing:
        chosen = performing.chosen(only or [])
        table.print_assertions(chosen, sys.stdout, as_json=as_json)
        return
    if setup:
        _set_up(_two(nodes), keep or Path("conformance"))
        return
    if record is not None and record.exists():
        raise SettingsError([f"{record} is there already"])
    _require_files(*(one for one in (report, to_html, to_junit) if one is not None))
    _require_folders(*(one for one in (keep, record) if one is not None))
    with tempfile.TemporaryDirectory(prefix="relay-conformance-") as scratch:
        folder = keep or (Path(scratch) if own else Path("conformance"))
        performed = _performed(nodes, folder, only or [], profile, record, own=own)
        _write(performed, report=report, page=to_html, junit=to_junit)
        if as_json:
            print(json.dumps(performed.as_json(), ensure_ascii=False, indent=1))
        else:
            kept = not (own and keep is None)
            table.print_judged(performed.judged, sys.stdout, kept=kept, whole=whole)
    if performed.about.ended_before:
        raise typer.Exit(INTERRUPTED)
    if not performed.holds:
        raise typer.Exit(1)


def _performed(
    nodes: list[Path] | None,
    folder: Path,
    only: list[str],
    profile: Path | None,
    record: Path | None,
    *,
    own: bool,
) -> Performed:
    from relay.conformance import performing  # noqa: PLC0415
    from relay.conformance.profile import Profile, read_profile  # noqa: PLC0415
    from relay.conformance.reports import table  # noqa: PLC0415
    from relay.conformance.subject import read_subject, require_apart  # noqa: PLC0415

    subjects = None
    if own and nodes:
        raise SettingsError(["--self starts its own nodes: it takes no files"])
    if not own:
        first, second = _two(nodes)
        subjects = read_subject(first), read_subject(second)
        require_apart(*subjects)
    with table.progress(2 * len(performing.chosen(only))) as told:
        options = performing.Options(
            folder=folder,
            subjects=subjects,
            only=tuple(only),
            profile=Profile() if profile is None else read_profile(profile),
            record=record,
            told=told,
        )
        try:
            return asyncio.run(performing.perform(options))
        except asyncio.CancelledError:  # ended before there was anything to report
            raise KeyboardInterrupt from None


def _require_files(*files: Path) -> None:
    """Before a run of minutes, not behind it."""
    for one in files:
        place = one if one.exists() else one.parent
        if one.is_dir() or not one.parent.is_dir() or not os.access(place, os.W_OK):
            raise SettingsError([f"{one} cannot be written"])


def _require_folders(*folders: Path) -> None:
    """Likewise; what is not there is made."""
    for one in folders:
        place = next(above for above in (one, *one.parents) if above.exists())
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise SettingsError([f"{one} can be no folder to write to"])


def _write(
    performed: Performed, *, report: Path | None, page: Path | None, junit: Path | None
) -> None:
    from relay.conformance.instants import now  # noqa: PLC0415

    if report is not None:
        report.write_bytes(performed.as_filed(now()))
    if page is not None:
        page.write_bytes(performed.as_page())
    if junit is not None:
        junit.write_bytes(performed.as_junit())


def _two(nodes: list[Path] | None) -> tuple[Path, Path]:
    if nodes is None or len(nodes) != 2:
        raise SettingsError(["two nodes are judged: give a file for each, or --self"])
    return nodes[0], nodes[1]


def _set_up(files: tuple[Path, Path], folder: Path) -> None:
    from relay.conformance import credentials  # noqa: PLC0415
    from relay.conformance.instants import now  # noqa: PLC0415
    from relay.conformance.subject import read_subject, require_apart  # noqa: PLC0415

    first, second = (read_subject(path) for path in files)
    require_apart(first, second)
    credentials.prepare(folder, (first, second), now())
    directory, root = folder / credentials.DIRECTORY, folder / credentials.ROOT
    directory.write_text(credentials.directory_text((first, second)), encoding="utf-8")
    for one, other in ((first, second), (second, first)):
        print(credentials.to_configure(one, other, root.resolve(), directory.resolve()), end="\n\n")


def _check(path: Path, root: Path | None) -> None:
    from relay.conformance.reports import filed  # noqa: PLC0415
    from relay.signing.trust import TrustStore  # noqa: PLC0415

    if root is None:
        raise SettingsError(["--check needs --root: the root of the runner's certificate"])
    found = filed.proven(_read(path), TrustStore([_read(root)]))
    print(f"signed by {found.runner}, as it says at {found.signed_at:%Y-%m-%dT%H:%M:%SZ}")
    for name in found.files:
        print(f"  {name}")


def _replay(folder: Path, root: Path | None) -> None:
    from relay.conformance import recording  # noqa: PLC0415

    found = recording.replay(folder, None if root is None else _read(root))
    for fault in found.faults:
        print(fault)
    counts = ", ".join(f"{count} {kind}s hold" for kind, count in sorted(found.held.items()))
    print(f"{found.exchanges} exchanges: {counts or 'nothing signed'}, {len(found.faults)} do not")
    if found.faults:
        raise typer.Exit(1)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
