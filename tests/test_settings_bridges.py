"""The section of a bridge: everything that is wrong with it is told at once, and never its secret."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.demo.network import AgencyPlan, BridgePlan, Network, NodePlan
from relay.errors import SettingsError
from relay.model import Tier
from relay.offline import examine

NEAR = NodePlan(
    "tw",
    Tier.CENTRAL,
    None,
    "tw",
    (AgencyPlan("G01", "Văn phòng", Tier.CENTRAL),),
    reached=(AgencyPlan("G22", "Bộ", Tier.CENTRAL),),
    bridge=BridgePlan("truc", "bo"),
)
BELOW = NodePlan("tinh", Tier.PROVINCE, "tw", "tw", (AgencyPlan("H01", "Tỉnh", Tier.PROVINCE),))
FAR = NodePlan(
    "bo",
    Tier.CENTRAL,
    None,
    "bo",
    (AgencyPlan("G22", "Bộ", Tier.CENTRAL),),
    reached=(AgencyPlan("G01", "Văn phòng", Tier.CENTRAL),),
    tree="bo",
)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    folder = tmp_path_factory.mktemp("n")
    return Network.build(folder, (NEAR, BELOW, FAR), now=datetime.now(UTC))


def _problems(network: Network, *changes: tuple[str, str]) -> list[str]:
    """Of the near node's configuration with these changes."""
    text = network.nodes["tw"].config.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = Path(network.nodes["tw"].folder, "changed.toml")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        examine(path)
    return list(raised.value.problems)


def test_a_bridge_that_is_right_starts(network: Network) -> None:
    """As the demo writes it, on both sides."""
    settings, _ = examine(network.nodes["tw"].config)
    assert [bridge.id for bridge in settings.bridges] == ["truc"]
    examine(network.nodes["bo"].config)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('agencies = ["G22"]\npoll', "poll", "nobody is behind it"),
        ('url = "https://127', 'url = "ftp://127', "an address such as https://truc.example/api"),
        ('url = "https://127', 'url = "https://a:b@127', "without user name"),
        ('url = "https://127.0.0.1', 'url = "http://10.0.0.1', "loopback addresses only"),
        ('ca = "../pki/root/root.pem"', "", "ca is missing"),
        ('ca = "../pki/root/root.pem"', 'ca = "no.pem"', "no file"),
        ("poll = 0.3", "poll = 0", "must be longer than nothing"),
        ("poll = 0.3", 'unanswered = "forget"', '"repeat" or "wait"'),
        ("poll = 0.3", 'message_types = ["edoc", "edoc"]', "each once"),
        (
            'agencies = ["G22"]\npoll',
            'agencies = ["H01"]\npoll',
            "the directory has agency H01 at tinh",
        ),
        ('id = "truc"', 'id = "tinh"', "tinh is a neighbour, too"),
        ("[keys.gateway]", "[keys.other]", "keys.gateway: is missing"),
        ("pki/gateways/tw", "pki/nodes/tw/sign", "not the gateway certificate of tw"),
    ],
)
def test_a_mistake_is_told_in_words(network: Network, old: str, new: str, said: str) -> None:
    """Where it is and what belongs there."""
    assert any(said in problem for problem in _problems(network, (old, new)))


def test_all_mistakes_are_told_at_once_and_never_the_secret(network: Network) -> None:
    """One run of config check is enough."""
    secret = network.nodes["bo"].gateway_secret
    changes = (
        ("[keys.gateway]", "[keys.other]"),
        (
            'agencies = ["G22"]\npoll = 0.3',
            'agencies = ["H01"]\npoll = 0.3\neverything_else = true',
        ),
        ('relation = "downlink"', 'relation = "uplink"'),
    )
    problems = _problems(network, *changes)
    assert len(problems) >= 4
    assert not any(secret in problem for problem in problems)


def test_two_bridges_cannot_lead_to_one_agency(network: Network) -> None:
    """Nor take everything else, nor have one name."""
    second = '[[bridges]]\nid = "truc"\nurl = "http://127.0.0.1:1"\nsystemid = "x"\nsecret = "y"\n'
    more = f'{second}agencies = ["G22"]\neverything_else = true\n\n'
    third = more.replace('"truc"', '"truc-ba"')
    said = "\n".join(_problems(network, ("[[systems]]", f"{more}{third}[[systems]]")))
    assert "truc is listed twice" in said
    assert "more than one takes everything_else" in said
    assert "agency G22 is behind" in said
