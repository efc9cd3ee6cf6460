"""What the face serves of the systems that are stored, whatever an earlier release stored."""

from __future__ import annotations

import ssl
from typing import Any

from structlog.testing import capture_logs

from relay.delivery.operators.systems import KnownSystem, SystemSecret
from relay.model import AgencyCode
from relay.node.systems import ServedSystems
from relay.transport.axis.binding import Binding
from relay.transport.axis.systems import Systems

H01 = AgencyCode("H01")


def test_a_system_bound_to_no_certificate_is_told_and_stops_nobody_else() -> None:
    """It was enough to name a wrong file once, and the node did not start again."""
    sites: Any = None
    served = ServedSystems(Systems(()), Binding(), lambda *_: frozenset({H01}), sites)
    secret = (SystemSecret("1", b"secret-of-sixteen"),)
    served.show_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    with capture_logs() as lines:
        for _ in range(2):  # told once
            served.publish(
                [
                    KnownSystem("vxp.bad", (H01,), secret, certificates=(b"hello",)),
                    KnownSystem("vxp.good", (H01,), secret),
                ]
            )
    assert [(one["event"], one["systemid"]) for one in lines] == [
        ("system-certificate-unreadable", "vxp.bad")
    ]
