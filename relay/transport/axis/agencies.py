"""The directory for document-management systems as three lists.

Touches: the directory; the request's connection.
Trusts:  the call, whose signature holds.
Raises:  RelayErrors before the first byte; ConnectionAbortedError after it.

Fields are as existing clients parse them: `version` as a number of 32 bits, `deleted` and `isAgency` as
true or false, all in texts. A list of a hundred thousand agencies goes out in slices of a millisecond,
of the directory as it was when the call came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date
from itertools import islice

from aiohttp import web

from relay.agencies import Agency, Stamp, Standing, day_of
from relay.envelope.codes import Form, parse
from relay.routing.directory import Directory
from relay.transport.axis import answers, dialect
from relay.transport.axis.dialect import AxisCall, Call
from relay.transport.axis.face import Face
from relay.transport.axis.listing import not_offered
from relay.transport.axis.times import write_time
from relay.transport.intake_stream import hold_little

ROWS_AT_A_TIME = 30
"""About a millisecond of writing rows."""
NO_PARENT = "0"
"""The pid of what has no parent: numbers begin at 1."""

Row = dict[str, str]
Listed = tuple[Agency, Stamp | None]


async def listing(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    """getAgenciesList, getAgenciesListQD20, getSynchronizeUnit."""
    if face.agencies is None:
        return await not_offered(face, call, request)
    rows = _rows(call, face.agencies.directory, day_of(face.clock()))
    first = _slice(rows)
    before, after = answers.around([])
    if first is None or len(first) < ROWS_AT_A_TIME:
        body = before + _inner(first or []) + after
        return web.Response(body=body, content_type="application/json")
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    hold_little(request.transport)
    await _write(face, response, before + _inner(first))
    while (more := _slice(rows)) is not None:
        if more:
            await _write(face, response, b"," + _inner(more))
        await asyncio.sleep(0)
    await _write(face, response, after)
    await response.write_eof()
    return response


def _rows(call: AxisCall, directory: Directory, on: date) -> Iterator[Row | None]:
    """A row for each agency that belongs into the list, None for each that does not."""
    match call.call:
        case Call.SYNCHRONIZE:
            found = directory.walk(dialect.since_version(call))
            return (_synchronised(directory, on, *one) for one in found)
        case Call.AGENCIES_QD20:
            level = dialect.level(call)
            return (_by_decision_20(on, level, *one) for one in directory.walk())
        case _:
            return (_listed(directory, on, *one) for one in directory.walk())


def _slice(rows: Iterator[Row | None]) -> list[Row] | None:
    """The next rows; None at the end. What is left out costs its time, too."""
    found = list(islice(rows, ROWS_AT_A_TIME))
    return [row for row in found if row is not None] if found else None


def _inner(rows: list[Row]) -> bytes:
    return answers.encode(rows)[1:-1]


def _listed(directory: Directory, on: date, agency: Agency, stamp: Stamp | None) -> Row | None:
    if agency.standing(on) is not Standing.OPEN:
        return None
    return {
        "id": _id(stamp),
        "pid": _parent_id(directory, agency),
        "code": agency.code,
        "name": agency.name,
        "mail": agency.mail,
        "oldCode": _form(agency, Form.OLD),
    }


def _by_decision_20(on: date, level: int | None, agency: Agency, stamp: Stamp | None) -> Row | None:
    new = _form(agency, Form.NEW)
    if not new or agency.standing(on) is not Standing.OPEN:
        return None
    if level is not None and parse(new).level != level:
        return None
    return {
        "id": _id(stamp),
        "code": new,
        "code102": _form(agency, Form.OLD),
        "name": agency.name,
        "mail": agency.mail,
    }


def _synchronised(directory: Directory, on: date, agency: Agency, stamp: Stamp | None) -> Row:
    """Closed ones and tombstones too, as deleted: a client learns of an end only so."""
    return {
        "id": _id(stamp),
        "pid": _parent_id(directory, agency),
        "code": agency.code,
        "name": agency.name,
        "mail": agency.mail,
        "version": "0" if stamp is None else str(stamp.version),
        "centerCode": agency.centre,
        "deleted": "true" if agency.standing(on) is Standing.CLOSED else "false",
        "modifyDate": write_time(None if stamp is None else stamp.modified_at),
        "isAgency": "true",
    }


def _id(stamp: Stamp | None) -> str:
    return NO_PARENT if stamp is None else str(stamp.number)


def _parent_id(directory: Directory, agency: Agency) -> str:
    named = None if agency.parent is None else directory.find(agency.parent)
    parent = named or directory.nearest_above(agency.code)
    return NO_PARENT if parent is None else _id(directory.stamp(parent.code))


def _form(agency: Agency, form: Form) -> str:
    """The new form begins with a letter, the old one with a digit."""
    old = form is Form.OLD
    return next((code for code in agency.forms if code[0].isdigit() == old), "")


async def _write(face: Face, response: web.StreamResponse, content: bytes) -> None:
    """A reader that takes nothing for too long gives its place to others."""
    try:
        async with asyncio.timeout(face.bounds.idle.total_seconds()):
            await response.write(content)
    except TimeoutError:
        raise ConnectionAbortedError("the client takes no bytes") from None
