"""The ledger outside the nodes: what was acknowledged to a sender, and what a recipient was given.

Touches: nothing. It is told by traffic.py, through the nodes' public faces.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from relay.model import digest_of


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A submission that a node said is durable; `receipt` is the digest of the receipt it named, if any."""

    message_id: str
    node: str
    digest: str
    recipients: tuple[str, ...]
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A delivery that a recipient's system was given; `digest` is of the bytes it fetched."""

    node: str
    delivery_id: str
    recipient: str
    digest: str


@dataclass(slots=True)
class Ledger:
    offered: set[str] = field(default_factory=set)
    """Digests of all that was ever sent to a node, acknowledged or not."""
    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    detours: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Message → the nodes it passes, where they are not those of the tree."""
    _answers: dict[str, bytes] = field(default_factory=dict)
    _renewals: set[str] = field(default_factory=set)

    def offer(self, content: bytes) -> None:
        self.offered.add(digest_of(content))

    def acknowledge(
        self,
        message_id: str,
        node: str,
        content: bytes,
        recipients: tuple[str, ...],
        answer: bytes,
        receipt: str = "",
    ) -> None:
        """A repeat must be answered with the very bytes of the first answer."""
        digest = digest_of(content)
        first = self._answers.setdefault(f"{node} {digest}", answer)
        if first != answer and message_id not in self._renewals:
            self.contradictions.append(f"{node} answered {digest[:12]} twice, differently")
        self.acknowledged.setdefault(
            message_id, Acknowledged(message_id, node, digest, recipients, receipt)
        )

    def renewed(self, message_id: str) -> None:
        """This message is to begin anew what another ended badly: another answer is right."""
        self._renewals.add(message_id)

    def see(self, one: Seen) -> None:
        known = self.seen.setdefault(f"{one.node} {one.delivery_id}", one)
        if known != one:
            self.contradictions.append(f"{one.node} gave {one.delivery_id} twice, differently")
