"""Faults in what follows receipts, in what evidence lists, and in what is told to neighbours that compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from relay.delivery.attaching.keeping import KeepingDesk
from relay.delivery.attaching.sending import SendingDesk
from relay.wire import attached
from relay.wire.attached import Answer, Answered
from tests.conformance.mutants import mutant, put_in
