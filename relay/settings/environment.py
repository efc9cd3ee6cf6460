"""RELAY_* in the environment: what it says of the configuration, and names that say nothing.

Touches: the environment. Raises: nothing; never says a value, which may be a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariableError

from relay.settings.settings import Settings

_PREFIX, _NESTED = "RELAY_", "__"
_OF_THE_TERMINAL = frozenset({"url", "token", "ca"})
"""Variables of the commands that speak to a node (cli/connect.py)."""


class _Variables(Settings, BaseSettings):
    """Tells pydantic-settings which RELAY_* variables there are."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter=_NESTED)


def environment() -> tuple[dict[str, Any], list[str]]:
    """What RELAY_* says, as the file would say it, and why nothing of it could be read."""
    try:
        return EnvSettingsSource(_Variables)(), []
    except UnreadableVariableError as error:
        # Its own text names the section; what could not be read may be a secret.
        return {}, [f"environment: {error}: lists and tables are given as JSON"]


def _sections_named(environment: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """Each RELAY_* variable that names no section of ours, in lower case, and whether with a key."""
    for name in sorted(environment):
        section, nested, _ = name.upper().removeprefix(_PREFIX).partition(_NESTED)
        if name.upper().startswith(_PREFIX) and section.lower() not in Settings.model_fields:
            yield name, section.lower(), bool(nested)


def unknown_sections(environment: Mapping[str, str]) -> Iterator[str]:
    """A mistyped section would be passed over in silence; a mistyped key in one is not."""
    for name, section, nested in _sections_named(environment):
        if nested:
            yield f"environment: {name}: no section {section}"


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Remarks only: whoever runs the node may set such names for every process beside it."""
    for name, section, nested in _sections_named(environment):
        if not nested and section not in _OF_THE_TERMINAL:
            yield f"environment: {name} is not a variable of relay and changes nothing"
