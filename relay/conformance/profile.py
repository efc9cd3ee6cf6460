"""What of the wire format is claimed at all: a file beside those of the nodes.

    name = "without carry files"
    not_claimed = ["W7", "W8", "W4.13"]

Touches: the file.
Raises:  SettingsError.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from relay.errors import SettingsError

Claim = Annotated[
    str, StringConstraints(pattern=r"^[A-Z][0-9]{1,2}(\.[0-9]{1,2}(/[a-z0-9.-]{1,64})?)?$")
]
"""`W7`, `W4.13`, `W4.5/same-bytes`."""


class Profile(BaseModel):
    """Empty: everything is claimed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(default="", max_length=100)
    not_claimed: tuple[Claim, ...] = ()
    """Chapters, clauses, or single assertions."""


def read_profile(path: Path) -> Profile:
    try:
        with path.open("rb") as file:
            return Profile.model_validate(tomllib.load(file))
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: {error}"]) from None
    except ValidationError as error:
        raise SettingsError(
            [f"{path}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        ) from None
