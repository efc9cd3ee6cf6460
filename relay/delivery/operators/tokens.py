"""Bearer tokens of the native face: issued once, stored as hashes, revoked at once.

Touches: the journal. Trusts: who issues. Raises: UnfitError, AccessError, NotFoundError.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from relay.delivery.clock import Clock
from relay.delivery.ports import Caller, TokenView
from relay.delivery.records import Journal
from relay.errors import AccessError, UnfitError
from relay.model import AgencyCode, NodeId
from relay.routing.directory import Directory

SCOPES = ("operator", "auditor")
_HOLDER = re.compile(r"[\w .@-]{1,100}")


@dataclass(slots=True)
class TokenDesk:
    """delivery.ports.Tokens. Known tokens are remembered until any token is revoked."""

    node: NodeId
    directory: Directory
    journal: Journal
    clock: Clock
    speaks_for: Callable[[Iterable[str]], frozenset[AgencyCode]] | None = None
    """The codes of these agencies, in the directory as it is now."""
    _known: dict[str, Caller] = field(default_factory=dict)
    _revoked: int = 0
    _as_of: int = -1
    """The directory's version by which the known ones were judged."""

    async def issue(
        self, by: Caller, holder: str, scopes: tuple[str, ...]
    ) -> tuple[TokenView, str]:
        """The secret is shown here and never again."""
        if not _HOLDER.fullmatch(holder):
            raise UnfitError("a holder is 1 to 100 letters, digits, spaces or . @ - _")
        view = TokenView(
            token_id=self.clock.mint(),
            holder=holder,
            scopes=tuple(dict.fromkeys(self._scope(scope) for scope in scopes)),
            created_at=self.clock.now(),
            revoked_at=None,
        )
        if not view.scopes:
            raise UnfitError("a token needs a scope: agency:CODE, operator or auditor")
        secret = "rt_" + base64.urlsafe_b64encode(self.clock.entropy(32)).decode().rstrip("=")
        await self.journal.store_token(by, view, _hash(secret))
        return view, secret

    def _scope(self, scope: str) -> str:
        if scope in SCOPES:
            return scope
        kind, _, code = scope.partition(":")
        if kind != "agency":
            raise UnfitError(f"unknown scope {scope[:60]!r}: agency:CODE, operator or auditor")
        agency = self.directory.find(code)
        if agency is None or agency.deleted or agency.node != self.node:
            raise UnfitError(f"scope {scope[:60]!r}: no agency served by {self.node}")
        return f"agency:{agency.code}"

    async def list(self) -> list[TokenView]:
        return await self.journal.tokens()

    async def revoke(self, by: Caller, token_id: str) -> TokenView:
        view = await self.journal.revoke_token(by, token_id, self.clock.now())
        self._revoked += 1
        self._known.clear()
        return view

    async def authenticate(self, secret: str) -> Caller:
        """Raises AccessError for an unknown or revoked token."""
        hashed = _hash(secret)
        if self._as_of != self.directory.version:
            self._as_of = self.directory.version
            self._known.clear()
        caller = self._known.get(hashed)
        if caller is None:
            revoked = self._revoked
            view = await self.journal.token(hashed)
            if view is None or view.revoked_at is not None:
                raise AccessError("unknown or revoked token")
            caller = self._caller(view)
            if revoked == self._revoked:  # else what was read may be out of date by now
                self._known[hashed] = caller
        return caller

    def _caller(self, view: TokenView) -> Caller:
        codes = [scope.partition(":")[2] for scope in view.scopes if scope.startswith("agency:")]
        return Caller(
            holder=f"token:{view.token_id}:{view.holder}",
            agencies=(self.speaks_for or self.directory.forms_of)(codes),
            operator="operator" in view.scopes,
            auditor="auditor" in view.scopes,
        )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
