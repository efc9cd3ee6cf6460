"""A run as JUnit XML, for whatever collects test results.

A suite for each judged node; INCONCLUSIVE is an error, NOT CLAIMED is skipped.

Touches: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from relay.conformance.verdicts import Judged, Verdict

_TAGS = {
    Verdict.FAIL: "failure",
    Verdict.INCONCLUSIVE: "error",
    Verdict.NOT_CLAIMED: "skipped",
}
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def written(judged: Sequence[Judged]) -> bytes:
    suites = ET.Element("testsuites", name="relay conformance")
    by_node = sorted(judged, key=lambda one: one.node)  # stable: assertions stay in order
    for node, several in groupby(by_node, key=lambda one: one.node):
        _suite(suites, node, list(several))
    ET.indent(suites)
    found: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return found + b"\n"


def _suite(suites: ET.Element, node: str, judged: Sequence[Judged]) -> None:
    count = {verdict: sum(one.verdict is verdict for one in judged) for verdict in Verdict}
    suite = ET.SubElement(
        suites,
        "testsuite",
        name=node,
        tests=str(len(judged)),
        failures=str(count[Verdict.FAIL]),
        errors=str(count[Verdict.INCONCLUSIVE]),
        skipped=str(count[Verdict.NOT_CLAIMED]),
        time=f"{sum(one.seconds for one in judged):.3f}",
    )
    for one in judged:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=one.assertion.clause,
            name=f"{one.assertion.full_name}: {one.assertion.title}",
            time=f"{one.seconds:.3f}",
        )
        if one.verdict in _TAGS:
            ET.SubElement(case, _TAGS[one.verdict], message=_NO_XML.sub("\ufffd", one.detail))
