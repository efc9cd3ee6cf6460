"""`make dss`: EU DSS judges evidence files made for it, or those given; all it finds is printed.

Without a trust anchor, then with the root. Exit code 1 where a finding is about anything but trust.

Touches: Maven's local repository, through Maven; a temporary folder.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from relay.delivery.evidence.ports import Gathered
from relay.model import SealKind
from relay.signing.stamped import stamped_bytes
from tests.evidence.test_evidence_around import Told

HERE = Path(__file__).parent


def _offices() -> ModuleType:
    spec = importlib.util.spec_from_file_location("evidence_offices", HERE.parent / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]


def make(folder: Path) -> tuple[Path, list[Path]]:
    """A root, and files of each kind of seal that we make, without and with timestamps and CRLs."""
    offices = _offices()
    authority = offices.make_authority(folder / "pki")
    files = []
    for kind in (SealKind.AGENCY, SealKind.NODE):
        office = offices.Office(authority, kind=kind)
        covered = stamped_bytes(office.sealed.signature)
        tokens = tuple(authority.stamp(covered, name=name) for name in ("tsa-1", "tsa-2"))
        crls = tuple(authority.crl(name) for name in ("branches/mau/ca", "root/root"))
        for name, beside in (
            (kind.value, Gathered()),
            (f"{kind.value}-stamped", Gathered(tokens)),
            (f"{kind.value}-stamped-with-crls", Gathered(tokens, crls=crls)),
        ):
            office.beside = beside
            files.append(folder / f"{name}.asice")
            files[-1].write_bytes(office.export())
    files.append(folder / "proofs-and-statuses.asice")
    files[-1].write_bytes(Told(authority).export())
    return authority.root, files


def _classpath(folder: Path) -> str:
    target = folder / "classpath"
    goal = ["dependency:build-classpath", f"-Dmdep.outputFile={target}"]
    subprocess.run(["mvn", "-q", "-B", *goal], cwd=HERE, check=True)
    return target.read_text()


def main(given: list[str]) -> int:
    """The worst of the exit codes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root, files = make(folder)
        anchors = ["-"] if given else ["-", str(root)]
        files = [Path(one).absolute() for one in given] or files
        program = ["java", "-cp", _classpath(folder), "JudgeEvidence.java"]
        codes = []
        for anchor in anchors:
            print(
                f"== {'nobody is trusted' if anchor == '-' else 'the root is trusted'}", flush=True
            )
            command = [*program, anchor, *map(str, files)]
            codes.append(subprocess.run(command, cwd=HERE, check=False).returncode)
        return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
