"""Keys on a real token (SoftHSM): what signs, what is lost and comes back, what is never told."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from relay.demo.network import AgencyPlan, Network, NodePlan
from relay.errors import KeyUnavailableError, SettingsError
from relay.identity import load_keys
from relay.model import AgencyCode, NodeId, SealKind, Tier, digest_of
from relay.settings.reading import load
from relay.settings.sections import TokenSection
from relay.signing import token
from relay.signing.keys import Signer
from relay.signing.notary import NodeNotary
from relay.signing.pin import PinPlace
from relay.signing.seal import make_seal, verify_seal
from relay.signing.token import TokenKey, TokenModule

PIN = "271828"
DIGEST = digest_of(b"letter")
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so")


@dataclass
class Hsm:
    """One SoftHSM token in a folder of its own, and its module as a node has it."""

    folder: Path
    pki: Any
    program: str
    time: float = 0.0
    modules: list[TokenModule] = field(default_factory=list)
    agency: Any = None
    """Whose key `signer` put on the token."""

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"

    def run(self, *words: str) -> None:
        subprocess.run([self.program, *words], check=True, capture_output=True)

    def initialise(self) -> None:
        self.run("--init-token", "--free", "--label", "relay", "--so-pin", "314159", "--pin", PIN)

    def keep(self, entity: Any, label: str) -> Path:
        """The entity's key on the token, its certificates in a file."""
        key = self.folder / f"{label}.key.pem"
        key.write_bytes(entity.key_pem)
        self.run(
            "--import", str(key), "--token", "relay", "--label", label, "--id", "01", "--pin", PIN
        )
        key.unlink()
        certificates = self.folder / f"{label}.pem"
        certificates.write_bytes(entity.chain_pem)
        return certificates

    def pin_file(self, pin: str = PIN) -> PinPlace:
        path = self.folder / "pin"
        path.write_text(f"{pin}\n")
        path.chmod(0o600)
        return PinPlace(path)

    def module(self, **options: Any) -> TokenModule:
        path = next((Path(one) for one in MODULES if Path(one).exists()), Path(MODULES[0]))
        self.modules.append(TokenModule(path, monotonic=lambda: self.time, **options))
        return self.modules[-1]

    def signer(self, module: TokenModule | None = None, **options: Any) -> Signer:
        self.agency = self.pki.agency("H01")
        certificates = self.keep(self.agency, "seal")
        key = TokenKey("seal", "relay", pin=self.pin_file())
        return Signer.on_token(certificates, module or self.module(**options), key)


@pytest.fixture
def make_hsm(
    softhsm: str,
    make_pki: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[str], Hsm]]:
    hsms: list[Hsm] = []

    def make(kind: str) -> Hsm:
        hsm = Hsm(tmp_path, make_pki(kind), softhsm)
        hsm.tokens.mkdir()
        config = tmp_path / "softhsm2.conf"
        config.write_text(f"directories.tokendir = {hsm.tokens}\nlog.level = ERROR\n")
        monkeypatch.setenv("SOFTHSM2_CONF", str(config))
        hsm.initialise()
        hsms.append(hsm)
        return hsm

    yield make
    for hsm in hsms:
        for module in hsm.modules:
            module.close()


@pytest.fixture
def hsm(make_hsm: Callable[[str], Hsm]) -> Hsm:
    return make_hsm("p256")


def _seal(hsm: Hsm, signer: Signer) -> None:
    """One more seal, which must hold."""
    seal = make_seal(DIGEST, SealKind.AGENCY, signer, AT)
    verify_seal(seal.signature, DIGEST, hsm.pki.trust, None)


def _child(module: TokenModule) -> Any:
    assert module._child is not None
    return module._child


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_a_key_on_a_token_seals_as_one_in_a_file(make_hsm: Callable[[str], Hsm], kind: str) -> None:
    hsm = make_hsm(kind)
    _seal(hsm, hsm.signer())


def test_a_process_that_crashes_is_replaced(hsm: Hsm) -> None:
    """A module takes nobody with it, and the signature that was asked for is made."""
    module = hsm.module()
    signer = hsm.signer(module)
    _child(module).kill()

    _seal(hsm, signer)


def test_a_session_that_was_lost_is_opened_anew(hsm: Hsm) -> None:
    """Here the token is made anew under it, so that the old session and key are worth nothing."""
    module = hsm.module()
    signer = hsm.signer(module)
    before = _child(module)
    hsm.run("--delete-token", "--token", "relay")
    hsm.initialise()
    hsm.keep(hsm.agency, "seal")

    _seal(hsm, signer)

    assert _child(module) is not before


def test_a_process_that_hangs_is_ended(hsm: Hsm) -> None:
    """Nobody waits for it longer than the time it has; the next one signs again."""
    module = hsm.module()
    signer = hsm.signer(module)
    stuck = _child(module)
    os.kill(stuck.pid, signal.SIGSTOP)
    module.answer_seconds = 0.3

    with suppress(KeyUnavailableError):  # whether another process begins within that is chance
        signer.sign(b"x")
    assert stuck.poll() == -signal.SIGKILL

    module.answer_seconds = 30.0
    hsm.time += token.AGAIN_SECONDS
    _seal(hsm, signer)


def test_a_token_that_was_pulled_out_is_waited_for(
    hsm: Hsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks meanwhile is told why, at once; when it is in again, it signs."""
    module = hsm.module()
    signer = hsm.signer(module)
    away = hsm.folder / "away"
    hsm.tokens.rename(away)
    hsm.tokens.mkdir()
    _child(module).kill()

    with pytest.raises(KeyUnavailableError, match="key seal on token relay cannot sign: no-token"):
        signer.sign(b"x")
    assert signer.trouble() == "key seal on token relay cannot sign: no-token (NoSuchToken)"

    hsm.tokens.rmdir()
    away.rename(hsm.tokens)
    begun: list[object] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **_: begun.append(a))
    with pytest.raises(KeyUnavailableError, match="no-token"):
        signer.sign(b"x")
    assert begun == []

    monkeypatch.undo()
    monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.folder / "softhsm2.conf"))
    hsm.time += token.AGAIN_SECONDS
    _seal(hsm, signer)
    assert signer.trouble() is None


def test_a_pin_that_was_refused_is_not_tried_again(
    hsm: Hsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token locks itself after a few: only a restart tries another time."""
    certificates = hsm.keep(hsm.pki.agency("H01"), "seal")
    wrong = TokenKey("seal", "relay", pin=hsm.pin_file("000000"))
    module = hsm.module()
    with pytest.raises(KeyUnavailableError, match=r"was refused \(PinIncorrect\)") as caught:
        Signer.on_token(certificates, module, wrong)
    assert "000000" not in str(caught.value)

    hsm.pin_file()  # right now, but nobody is to know
    begun: list[object] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **_: begun.append(a))
    hsm.time += 3600
    with pytest.raises(KeyUnavailableError, match="not tried again"):
        Signer.on_token(certificates, module, wrong)
    assert begun == []


def test_the_pin_is_told_to_nobody(
    hsm: Hsm, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither by what is printed of a key, nor on the command line of its process, nor by an error."""
    module = hsm.module()
    signer = hsm.signer(module)
    command = Path(f"/proc/{_child(module).pid}/cmdline").read_text()
    key = TokenKey("seal", "relay", pin=PinPlace(variable="TOKEN_PIN"))
    monkeypatch.setenv("TOKEN_PIN", PIN)
    shown = f"{signer!r} {module!r} {key!r} {key} {command} {key.order('rsa', b'x')!r}"
    assert PIN not in shown

    hsm.time += 60
    with pytest.raises(KeyUnavailableError) as caught:
        module.sign(TokenKey("none", "relay", pin=hsm.pin_file()), "ecdsa", b"x")
    assert "no-key" in str(caught.value)
    assert PIN not in str(caught.value) + "".join(capfd.readouterr())


def test_the_key_must_be_the_certificates(hsm: Hsm) -> None:
    hsm.keep(hsm.pki.agency("H01"), "seal")
    other = hsm.folder / "other.pem"
    other.write_bytes(hsm.pki.agency("H02").chain_pem)
    with pytest.raises(SettingsError, match="does not belong to the first certificate"):
        Signer.on_token(other, hsm.module(), TokenKey("seal", "relay", pin=hsm.pin_file()))


def test_whoever_asks_one_hand_signs(hsm: Hsm) -> None:
    """Many threads may ask; the module is used by one, which is what keeps it alive."""
    module = hsm.module()
    signer = hsm.signer(module)
    child = _child(module)
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(signer.sign, [b"%d" % n for n in range(64)]))
    assert len({bytes(value) for value in values}) == 64
    assert _child(module) is child


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (PinPlace(Path("/nowhere/pin")), "No such file"),
        (PinPlace(variable="NO_SUCH_VARIABLE"), "no such variable"),
    ],
)
def test_a_pin_that_is_not_there_is_a_mistake_of_its_place(place: PinPlace, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        place.read()


def test_a_pin_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pin"
    path.write_text("123456")
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="mode 0640, limit 0600"):
        PinPlace(path).read()
    path.chmod(0o600)
    path.write_text(" \n")
    with pytest.raises(SettingsError, match="holds no PIN"):
        PinPlace(path).read()


def test_a_module_that_is_none_is_told(tmp_path: Path) -> None:
    """Whatever file was named."""
    path = tmp_path / "module.so"
    path.write_bytes(b"no library")
    module = TokenModule(path, monotonic=time.monotonic)
    with pytest.raises(KeyUnavailableError, match="no-module"):
        module.sign(TokenKey("k", "t", pin=PinPlace(variable="HOME")), "rsa", b"x")
    module.close()


CHATTY = """
import os
Mechanism = ObjectClass = type("Words", (), {"SHA256_RSA_PKCS": 1, "ECDSA": 2, "PRIVATE_KEY": 3})

class Token:
    def open(self, user_pin):
        return self
    def get_key(self, object_class, label):
        return self
    def sign(self, content, mechanism):
        os.write(1, b"C_Sign called\\n")
        return b"value"

class lib:
    def __init__(self, path):
        os.write(1, b"vendor's module 1.0\\n")
    def get_token(self, **which):
        return Token()
"""


def test_a_module_that_prints_to_standard_output_signs_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers have a pipe of their own; what a vendor's library prints is not taken for one."""
    (tmp_path / "pkcs11.py").write_text(CHATTY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TOKEN_PIN", PIN)
    module = TokenModule(tmp_path / "chatty.so")
    key = TokenKey("seal", "relay", pin=PinPlace(variable="TOKEN_PIN"))

    assert [module.sign(key, "rsa", b"x") for _ in range(2)] == [b"value", b"value"]
    module.close()


# ---------------------------------------------------------------- in a node's configuration


@pytest.fixture
def configured(hsm: Hsm, tmp_path: Path) -> Callable[..., Path]:
    """The configuration of a node whose `sign` key and one agency's are on the token."""
    plans = (
        NodePlan(
            "tinh",
            Tier.PROVINCE,
            None,
            "tinh",
            (AgencyPlan("H01", "UBND", Tier.PROVINCE, own_key=True),),
        ),
    )
    folder = tmp_path / "nodes"
    folder.mkdir()
    node = Network.build(folder, plans, now=datetime.now(UTC)).nodes["tinh"]
    keys = {
        "sign": folder / "pki/nodes/tinh/sign.key.pem",
        "H01": folder / "pki/agencies/H01.key.pem",
    }
    for label, path in keys.items():
        hsm.run(
            "--import",
            str(path),
            "--token",
            "relay",
            "--label",
            label,
            "--id",
            label.encode().hex(),
            "--pin",
            PIN,
        )
    module = next(one for one in MODULES if Path(one).exists())

    def write(**changes: str) -> Path:
        text = node.config.read_text(encoding="utf-8")
        for label, path in keys.items():
            table = {"module": module, "label": "relay", "key": label, "pin_env": "TOKEN_PIN"}
            words = ", ".join(f'{k} = "{v}"' for k, v in (table | changes).items())
            line = next(
                one for one in text.splitlines() if one.startswith("key =") and path.name in one
            )
            text = text.replace(line, f"token = {{ {words} }}", 1)
        node.config.write_text(text, encoding="utf-8")
        return node.config

    return write


def test_a_node_works_with_keys_on_a_token(
    configured: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process for both keys; what is sealed with them is not sealed while a client waits."""
    monkeypatch.setenv("TOKEN_PIN", PIN)
    settings = load(configured())
    directory = settings.make_directory()
    keys = load_keys(settings, directory)
    try:
        notary = NodeNotary(NodeId("tinh"), keys.sign, keys.agencies, keys.trust, directory.aliases)
        seal = notary.seal(DIGEST, AgencyCode("H01"), datetime.now(UTC))

        assert seal.kind is SealKind.AGENCY
        assert verify_seal(seal.signature, DIGEST, keys.trust, None).agencies >= {"H01"}
        assert len(keys.tokens) == 1
        assert keys.sign.hand is keys.agencies[AgencyCode("H01")].hand
        assert not notary.sealed_at_once(AgencyCode("H01"))
        assert PIN not in f"{settings!r} {keys!r}"
    finally:
        keys.close()


@pytest.mark.parametrize(
    ("changes", "pin", "said"),
    [
        ({}, "000000", "the PIN in pin_env TOKEN_PIN was refused"),
        ({}, "", "pin_env TOKEN_PIN: the environment has no such variable"),
        ({"label": "other"}, PIN, "key sign on token other cannot sign: no-token"),
        ({"key": "other"}, PIN, "key other on token relay cannot sign: no-key"),
    ],
)
def test_what_is_wrong_with_a_token_is_told_before_a_start(
    configured: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    pin: str,
    said: str,
) -> None:
    """As any other mistake of the configuration, and never with the PIN."""
    monkeypatch.setenv("TOKEN_PIN", pin)
    settings = load(configured(**changes))
    with pytest.raises(SettingsError, match=said) as caught:
        load_keys(settings, settings.make_directory())
    assert "000000" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"serial": "1"}, "give either label or serial"),
        ({"pin_file": "pyproject.toml"}, "give either pin_file or pin_env"),
    ],
)
def test_a_token_has_one_name_and_one_place_for_its_pin(words: dict[str, str], said: str) -> None:
    table = {"module": __file__, "label": "relay", "key": "sign", "pin_env": "TOKEN_PIN"}
    with pytest.raises(ValidationError, match=said):
        TokenSection.model_validate(table | words)
