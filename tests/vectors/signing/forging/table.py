"""The README of the vectors: every refused one, why, and who else refuses it.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from relay.signing.faults import Fault
from tests.vectors.signing.forging.vector import NOT_ASKED

_HEAD = """\
# Vectors of signatures

Written by `python -m tests.vectors.signing.make`, this page too; a second run changes nothing. The keys are
derived from their labels and exist only while that runs. **Never trust `root.pem` anywhere else.**

`accepted/` holds signatures that hold, `refused/` one for each way in which a signature may be refused, named
`<fault>--<case>.<kind>.xml`; a `.document` beside it is its document where that is not the usual one.
`manifest.json` says of each what it is, which entry of the verifier it is for (`judging.py`), the word of the
refusal, and the accepted vector that differs in nothing but the fault. Most are signed again after they were
spoilt, so that nothing but the fault can refuse them.

What other people's verifiers say, from `others.json` (`python -m tests.vectors.signing.compare`):

- **xmlsec1** 1.2.37: `--verify --trusted-pem root.pem --verification-time <SigningTime>`, references in the
  same document and beside it. It knows nothing of XAdES, of who may speak for whom, or of our one shape.
- **signxml** 5.2.0: `XAdESVerifier` with two references, RSA or ECDSA with SHA-256, a path to the root as of now.

Heads of logs, CRLs, OCSP responses and timestamps (`crl`, `ocsp`, `standing`, `asof`, `answered`) are no XML signatures,
and xmlsec1 and signxml have no roots by role (`pinned`), look at no timestamp (`stamped`) and know of no other files
(`export`): these are not asked of them, and stand with **–** below. There is no vector and no fuzzed input that ours accepts and one of them refuses, `permitted-name.seal` aside:
cryptography, by which signxml finds its paths, takes no issuer with constraints on directory names. xmlsec1 was
also asked pinned to the signer's certificate. The other way round, **yes** in the tables below is a signature that they accept and
ours refuses.

| fault | vectors | xmlsec1 accepts | signxml accepts |
|---|---|---|---|
"""


def readme(manifest: Mapping[str, Mapping[str, Any]], others: Mapping[str, list[str]]) -> str:
    """Of the refused vectors of the manifest; `others` are the names that each of them accepts."""
    order = {fault.value: place for place, fault in enumerate(Fault)}
    vectors = sorted(
        manifest["refused"].items(), key=lambda one: order.get(one[1]["fault"], len(order))
    )
    groups = [
        (fault, list(found)) for fault, found in groupby(vectors, key=lambda one: one[1]["fault"])
    ]
    text = _HEAD + "".join(_counts(fault, found, others) for fault, found in groups)
    return text + "".join(line for group in groups for line in _section(*group, others))


def _counts(fault: str, found: list[tuple[str, Any]], others: Mapping[str, list[str]]) -> str:
    accepted = [sum(name in theirs for name, _ in found) for theirs in _sets(others)]
    return f"| [{fault}](#{fault}) | {len(found)} | {accepted[0]} | {accepted[1]} |\n"


def _section(
    fault: str, found: list[tuple[str, Any]], others: Mapping[str, list[str]]
) -> Iterator[str]:
    yield f"\n## {fault}\n\n| vector | what it is | xmlsec1 | signxml |\n|---|---|---|---|\n"
    for name, vector in found:
        case = name.removeprefix(f"{fault}--")
        asked = vector["entry"] not in NOT_ASKED
        xmlsec1, signxml = (_said(name in theirs, asked) for theirs in _sets(others))
        yield f"| `{case}` | {vector['what']} | {xmlsec1} | {signxml} |\n"


def _said(accepted: bool, asked: bool) -> str:
    if not asked:
        return "–"
    return "**yes**" if accepted else "no"


def _sets(others: Mapping[str, list[str]]) -> tuple[set[str], set[str]]:
    return set(others["xmlsec1"]), set(others["signxml"])
