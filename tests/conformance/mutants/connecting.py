"""Faults in who is let in, and in what a node tells of itself."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from aiohttp import web

from relay.model import NodeId
from relay.signing import tls
from relay.transport.nodes import client, server
from relay.transport.nodes.door import NEIGHBOUR, Door
from tests.conformance.mutants import mutant, put_in


@mutant("speaks TLS 1.2 between nodes", "W1.1/tls-1.2")
def speaks_older_tls() -> None:
    honest = tls._mutual

    def mutual(context: ssl.SSLContext, *arguments: Any) -> None:
        honest(context, *arguments)
        context.minimum_version = ssl.TLSVersion.TLSv1_2

    put_in(tls, "_mutual", mutual)


@mutant(
    "asks nobody for a certificate", "W1.1/other-root", "W1.2/no-certificate", "W1.2/no-neighbour"
)
def lets_anyone_in() -> None:
    honest = tls._mutual

    def mutual(context: ssl.SSLContext, *arguments: Any) -> None:
        honest(context, *arguments)
        if context.protocol == ssl.PROTOCOL_TLS_SERVER:
            context.verify_mode = ssl.CERT_NONE

    def neighbour(self: Door, request: web.Request) -> NodeId:
        anyone = min(self._neighbours)
        request[NEIGHBOUR] = anyone
        return anyone

    put_in(tls, "_mutual", mutual)
    put_in(Door, "neighbour", neighbour)


@mutant("shows neighbours a certificate that is for something else", "W1.2/named")
def shows_another_certificate() -> None:
    honest = tls._mutual

    def mutual(context: ssl.SSLContext, certificate: Path, key: Path, *rest: Any) -> None:
        if context.protocol == ssl.PROTOCOL_TLS_SERVER:
            certificate, key = (
                one.with_name(one.name.replace("tls", "sign")) for one in (certificate, key)
            )
        honest(context, certificate, key, *rest)

    put_in(tls, "_mutual", mutual)


@mutant("says everything to whoever answers", "W1.2/calls-by-name", "W1.2/calls-by-chain")
def calls_whoever_answers() -> None:
    put_in(client._PeerIs, "check", lambda *_: None)


@mutant("tells a neighbour nothing of itself", "W1.4/node-document")
def tells_nothing() -> None:
    async def describe(self: Any, request: web.Request) -> web.Response:
        return web.json_response({})

    put_in(server._Handlers, "describe", describe)


@mutant("answers failures with a page for people", "W1.5/problem")
def answers_pages() -> None:
    honest = server._Handlers._problem

    def problem(self: Any, request: web.Request, error: BaseException) -> web.Response:
        status = honest(self, request, error).status
        return web.Response(status=status, text="<h1>Error</h1>", content_type="text/html")

    put_in(server._Handlers, "_problem", problem)
