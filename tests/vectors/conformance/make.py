"""Record the vectors beside this file anew: `python -m tests.vectors.conformance.make`.

Of two nodes of this release, and of one of them alone: the other's are the same again.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from pathlib import Path

from relay.conformance import recording
from relay.conformance.own import DISTRICT
from relay.conformance.performing import Options, perform

HERE = Path(__file__).parent
RECORDED = (
    "A1.4/same-doc-id",
    "E1.3/doctype",
    "W1.4/node-document",
    "W3.3/header-value",
    "W4.3/to-the-letter",
    "W4.5/same-bytes",
    "W5.3/unknown-recipient",
    "W5.7/handover",
)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "made")
        asyncio.run(perform(Options(folder=Path(scratch, "kit"), only=RECORDED, record=made)))
        index = json.loads((made / recording.INDEX).read_text(encoding="utf-8"))
        index["assertions"] = [row for row in index["assertions"] if row["node"] == DISTRICT]
        for old in HERE.glob("*/"):
            shutil.rmtree(old)
        for row in index["assertions"]:
            shutil.copytree(made / row["kept"], HERE / row["kept"])
        shutil.copy(made / recording.ROOTS, HERE)
        recording.write_index(HERE, index)


if __name__ == "__main__":
    main()
