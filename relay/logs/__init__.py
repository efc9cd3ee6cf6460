"""Log lines: structlog's events, and the audit log's entries, to where the configuration says.

Never given payloads, secrets, names of people or header texts: docs/log-lines.md.
"""

from relay.logs.making import flush, make_outputs, unfit_outputs
from relay.logs.pipeline import configure

__all__ = ["configure", "flush", "make_outputs", "unfit_outputs"]
