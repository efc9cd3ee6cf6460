"""Write others.json: which of the refused vectors other people's verifiers accept.

Run as `python -m tests.vectors.signing.compare`, then `python -m tests.vectors.signing.make`, which puts it
into README.md; needs xmlsec1. A test finds the same again.

Touches: a folder, child processes. Trusts: nothing. Raises: nothing of its own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.vectors.signing.forging.vector import NOT_ASKED
from tests.vectors.signing.judging import FOLDER, file_name, usual_documents
from tests.vectors.signing.others import XmlSec1, signxml_accepts

Verifier = Callable[[bytes, str, bytes], bool]
"""Of the signature, the document's name and the document."""
OTHERS = FOLDER / "others.json"


def verifiers(program: str, folder: Path) -> dict[str, Verifier]:
    """Those that are asked, by name; they work in that folder."""
    root = shutil.copy(FOLDER / "root.pem", folder / "root.pem")

    def by_signxml(signature: bytes, name: str, document: bytes) -> bool:
        return signxml_accepts(Path(root), signature, name, document)

    return {"xmlsec1": XmlSec1(program, folder).open, "signxml": by_signxml}


def accepted_by(verifier: Verifier, names: Iterable[str]) -> list[str]:
    """Those of the refused vectors that it accepts."""
    return [name for name in names if verifier(*vector("refused", name))]


def refused() -> list[str]:
    """All that they may be asked."""
    return comparable("refused")


def comparable(part: str) -> list[str]:
    """All but the heads of logs, which are no XML, proofs of batches, which are no signatures, what is judged
    by the root of one role, and what is judged by more than a signature and one document."""
    manifest: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
    return [
        name
        for name, one in manifest[part].items()
        if one["entry"] not in NOT_ASKED and not vector(part, name)[0].startswith(b"<BatchProof")
    ]


def vector(part: str, name: str) -> tuple[bytes, str, bytes]:
    """The signature, the name that its document has on disk, and the document."""
    kind = name.rpartition(".")[2]
    beside = FOLDER / part / f"{name}.document"
    document = beside.read_bytes() if beside.exists() else usual_documents()[kind]
    return (FOLDER / part / f"{name}.xml").read_bytes(), file_name(kind), document


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asked = verifiers(shutil.which("xmlsec1") or "xmlsec1", Path(folder))
        found = {name: accepted_by(verifier, refused()) for name, verifier in asked.items()}
    OTHERS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
