"""One digest of everything a node is set to, so that its log tells when that changed.

Secrets (fields that are not shown) are not in it: a digest of a weak one could be tried out.

Touches: nothing. Trusts: the settings, which are valid by now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import BaseModel

from relay.model import Digest


def fingerprint(settings: BaseModel) -> Digest:
    """SHA-256 of the settings in a canonical form of this release."""
    text = json.dumps(_plain(settings), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Digest(hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest())


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        shown = {name: one for name, one in type(value).model_fields.items() if one.repr}
        return {name: _plain(getattr(value, name)) for name in shown}
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(json.dumps(_plain(one)) for one in value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
