"""Who asks: bearer tokens (RFC 6750), or on the control socket the file's own permission.

Touches: the tokens' door; the peer's uid on a unix socket.
Trusts:  nothing of the request. On the control socket it trusts the kernel and the file's mode.
Raises:  UnauthenticatedError (401), AccessError (403).
"""

from __future__ import annotations

import os
import pwd
import re
import socket
import struct
import sys

from aiohttp import web

from relay.delivery.ports import Caller
from relay.errors import AccessError
from relay.transport.native.inside import CALLER, NOBODY, Inside, Who
from relay.transport.problems import UnauthenticatedError

_SECRET = re.compile(r"[A-Za-z0-9._~+/-]{1,512}=*")
_PEER = struct.Struct("iII")


async def admit(inside: Inside, who: Who, request: web.Request) -> Caller:
    """The caller, where the route is for it."""
    if who is Who.ANYONE or (who is Who.LOG_READER and inside.public_log):
        return NOBODY
    caller = request[CALLER] = await _caller(inside, request)
    if who is Who.OPERATOR and not caller.operator:
        raise AccessError("only an operator may do that")
    if who in (Who.READER, Who.LOG_READER) and not (caller.operator or caller.auditor):
        raise AccessError("only an operator or an auditor may read that")
    return caller


async def still_admitted(inside: Inside, who: Who, request: web.Request) -> bool:
    """Of an answer that goes on: a token may have been revoked since."""
    try:
        await admit(inside, who, request)
    except (UnauthenticatedError, AccessError):
        return False
    return True


async def _caller(inside: Inside, request: web.Request) -> Caller:
    headers = request.headers.getall("Authorization", [])
    if not headers and inside.local_operator:
        return _local(request)
    if len(headers) != 1:
        raise UnauthenticatedError("one bearer token is needed in the Authorization header")
    scheme, _, secret = headers[0].partition(" ")
    if scheme.lower() != "bearer" or not _SECRET.fullmatch(secret.strip()):
        raise UnauthenticatedError("the Authorization header is no bearer token", "invalid_request")
    try:
        return await inside.tokens.authenticate(secret.strip())
    except AccessError:
        raise UnauthenticatedError("the token is unknown or revoked", "invalid_token") from None


def _local(request: web.Request) -> Caller:
    return Caller(
        holder=f"local:{_peer_name(request)}", agencies=frozenset(), operator=True, local=True
    )


def _peer_name(request: web.Request) -> str:
    """The user at the other end of a unix socket, by name where the system knows one."""
    uid = _peer_uid(request)
    if uid is None:
        return "unknown"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _peer_uid(request: web.Request) -> int | None:
    end = None if request.transport is None else request.transport.get_extra_info("socket")
    if end is None or sys.platform != "linux":
        return None
    # A duplicate, because an event loop may hand out a socket that cannot be asked.
    with socket.socket(fileno=os.dup(end.fileno())) as peer:
        if peer.family != socket.AF_UNIX:
            return None
        return int(_PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])
