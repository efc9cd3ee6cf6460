"""The node's own certificates, joined: their files, the notary that signs, TLS of all faces, revocation.

Touches: the files that the settings name. Raises: SettingsError.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from relay.delivery.operators.ageing import AgeingCertificate
from relay.errors import SettingsError
from relay.identity import NodeKeys, load_keys
from relay.journal import log_keys
from relay.node.ground import Ground
from relay.node.trust import NodesTls
from relay.pairs import Pair, authorities_of, pairs_of
from relay.signing.tls import renew_own

Taken = tuple[NodeKeys, tuple[Pair, ...]]


@dataclass(slots=True)
class CertificateFiles:
    """delivery.operators.renewing.CertificateSource."""

    ground: Ground
    keys: NodeKeys
    pairs: tuple[Pair, ...]
    nodes: NodesTls
    met: Callable[[NodeKeys], None]
    """Told of the keys that are in use from now on: their statements of revocation are wanted."""
    faces: list[ssl.SSLContext] = field(default_factory=list)

    def in_use(self) -> Sequence[AgeingCertificate]:
        return [pair.aged for pair in self.pairs]

    def above(self) -> Sequence[AgeingCertificate]:
        anchors, listen = self.ground.notary.trust.anchors, self.ground.settings.listen
        found = authorities_of(self.pairs, anchors, listen.native_clients)
        return [one.aged for one in found]

    def ageing(self) -> Sequence[AgeingCertificate]:
        return [*self.in_use(), *self.above()]

    def read(self) -> Taken:
        """Pairs first: a pair that is replaced meanwhile is found not to fit, or is read whole."""
        settings = self.ground.settings
        pairs = tuple(pairs_of(settings.keys))
        keys = load_keys(settings, self.ground.directory, self.keys.tokens)
        if keys.log.public_key != self.keys.log.public_key:
            raise SettingsError(
                [
                    "keys.log: another key than the running log's: it takes a start, with keys.log_before"
                ]
            )
        return keys, pairs

    def certificates(self, keys: Taken) -> Sequence[AgeingCertificate]:
        return [pair.aged for pair in keys[1]]

    async def keep(self, keys: Taken) -> None:
        chain = keys[0].log.chain
        await self.ground.journal.perform(lambda tx: log_keys.keep(tx.connection, chain))

    def put_in_use(self, keys: Taken) -> None:
        """In one turn of the loop; the node goes on with its own trust store and tokens."""
        found, self.pairs = keys
        sign = found.sign
        if sign.hand is None and self.keys.sign.hand is not None:
            sign = replace(sign, hand=self.keys.sign.hand)
        self.keys = replace(
            self.keys,
            sign=sign,
            log=found.log,
            agencies=found.agencies,
            gateway=found.gateway,
        )
        self.ground.notary.renew(sign, found.agencies, found.gateway)
        self.nodes.renew()
        tls = self.ground.settings.keys.tls
        for context in self.faces:
            renew_own(context, tls.certificate, tls.key)
        self.met(self.keys)


def make_files(
    ground: Ground, keys: NodeKeys, nodes: NodesTls, met: Callable[[NodeKeys], None]
) -> CertificateFiles:
    return CertificateFiles(ground, keys, tuple(pairs_of(ground.settings.keys)), nodes, met)
