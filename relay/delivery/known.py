"""Whether an agency is known here: to the directory, or because a message here is from or for it.

Of an agency by a misspelt code there is nothing. Whoever is asked about one says that it is not known,
rather than that there is nothing to tell.

Touches: the journal, for a code that the directory does not have.
Raises:  NotFoundError, EnvelopeError for text that is no code, JournalError.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from relay.errors import NotFoundError
from relay.model import AgencyCode


@dataclass(frozen=True, slots=True)
class KnownAgencies:
    forms: Callable[[Collection[str]], frozenset[AgencyCode]]
    """Of agencies, known or not, their codes in every form: rows may have another than the directory's."""
    listed: Callable[[str], bool]
    """Whether the directory has an agency of that code."""
    met: Callable[[Collection[AgencyCode]], Awaitable[bool]]
    """Whether a message is from or for any of these codes. It may look through all that there are."""

    async def require(self, code: str) -> None:
        if not self.listed(code) and not await self.met(self.forms([code])):
            said = f"no agency {code} is in the directory, and no message here is from or for it"
            raise NotFoundError(said)
