"""Which node a command speaks to: `@reaching` gives a command the connection options, once for all;
`@reaching_if_asked` one that can do without a node.

Touches: the environment through typer, the token file, the configuration for its control socket.
Raises:  CommandError, SettingsError.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import typer

from relay.cli.outcome import NO_INPUT, USAGE, CommandError
from relay.errors import NotFoundError

_PANEL = "Connection"
_TOKEN_BYTES = 4096
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Connection:
    """A node by address or by its control socket, and as whom."""

    url: str
    socket: Path | None = None
    token: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    """What the terminal shows to a node that asks for it, with its key's file."""
    key: Path | None = None
    config: Path | None = None
    """Of the node on this machine whose control socket it is."""

    def require_socket(self) -> Path:
        """CommandError where there is none."""
        if self.socket is None or not self.socket.exists():
            raise CommandError(
                f"no control socket at {self.socket}",
                NO_INPUT,
                f"is the node running? relay serve {self.config}",
            )
        return self.socket


def _options(
    *,
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(envvar="RELAY_URL", help="The node's native address.", rich_help_panel=_PANEL),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="RELAY_TOKEN",
            help="Bearer token; --token-file keeps it out of the process list.",
            show_envvar=True,
            rich_help_panel=_PANEL,
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File that holds the token.", rich_help_panel=_PANEL)
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            envvar="RELAY_CA", help="Root certificate of the node's TLS.", rich_help_panel=_PANEL
        ),
    ] = None,
    client_certificate: Annotated[
        Path | None,
        typer.Option(
            envvar="RELAY_CLIENT_CERTIFICATE",
            help="Shown to a node that asks for one (PEM, issuers after it).",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    client_key: Annotated[
        Path | None,
        typer.Option(
            envvar="RELAY_CLIENT_KEY", help="The file of its key.", rich_help_panel=_PANEL
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Configuration of a node on this machine: speak to its control socket, as operator.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
) -> Connection:
    # A flag that was typed wins over a variable that lies about in the environment.
    if token_file is not None or config is not None:
        token = _typed(context, "token", token)
    if token is not None and token_file is not None:
        raise CommandError("--token and --token-file cannot both be given", USAGE)
    secret = None if token is None else _token(token, "--token (or RELAY_TOKEN)")
    secret = secret if token_file is None else token_in(token_file)
    if config is not None:
        for name, value in (
            ("url", url),
            ("ca", ca),
            ("client_certificate", client_certificate),
            ("client_key", client_key),
        ):
            if _typed(context, name, value) is not None:
                option = name.replace("_", "-")
                raise CommandError(f"--config and --{option} cannot both be given", USAGE)
        return Connection("http://localhost", _control_socket(config), secret, config=config)
    if url is None:
        raise CommandError(
            "no node named", USAGE, "give --url (or RELAY_URL), or --config for a local node"
        )
    if (client_certificate is None) != (client_key is None):
        raise CommandError("--client-certificate and --client-key go together", USAGE)
    return Connection(url.rstrip("/"), None, secret, ca, client_certificate, client_key)


def _typed(context: typer.Context, name: str, value: _Value | None) -> _Value | None:
    source = context.get_parameter_source(name)
    return None if source is not None and source.name == "ENVIRONMENT" else value


def reaching(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, whose first parameter is a Connection, with the options it is made from instead."""

    def at_once(connect: Callable[[], Connection], **given: Any) -> None:
        command(connect(), **given)

    return _with_options(command, at_once)


def reaching_if_asked(command: Callable[..., None]) -> Callable[..., None]:
    """As `reaching`; the first parameter makes the Connection, and is called only where a node is needed."""
    return _with_options(command, command)


def _with_options(command: Callable[..., None], run: Callable[..., None]) -> Callable[..., None]:
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    shared = list(inspect.signature(_options, eval_str=True).parameters.values())

    def reached(**given: Any) -> None:
        options = {one.name: given.pop(one.name) for one in shared}
        run(lambda: _options(**options), **given)

    reached.__name__, reached.__doc__ = command.__name__, command.__doc__
    reached.__annotations__ = {}
    reached.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *shared)]
    )
    return reached


def segment(name: str) -> str:
    """A name as one part of a path. NotFoundError for one that would lead elsewhere: it is nobody's."""
    if not name.strip(".") or "/" in name:
        raise NotFoundError(f"nothing is called {name[:64]!a} here")
    return quote(name, safe="")


def token_in(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_TOKEN_BYTES + 1)
    return _token(content.decode("ascii", "replace"), str(path))


def _token(text: str, named: str) -> str:
    text = text.strip()
    if (
        not text.isascii()
        or not text.isprintable()
        or not 0 < len(text) <= _TOKEN_BYTES
        or " " in text
    ):
        raise CommandError(f"{named} does not hold a token", NO_INPUT)
    return text


def _control_socket(config: Path) -> Path:
    from relay.settings.reading import load  # noqa: PLC0415 - pydantic takes long to import

    return load(config).node.data_dir / "control.sock"
