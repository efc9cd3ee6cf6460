"""Write the directory and each node's configuration, as config/demo/ shows them.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relay.demo.nodes import NodePlan, RunningNode
from relay.demo.ports import loopbacks


def directory_text(plans: Sequence[NodePlan]) -> str:
    lines: list[str] = []
    for plan in plans:
        lines += ["[[nodes]]", f'id = "{plan.name}"', f'tier = "{plan.tier}"']
        lines += [f'parent = "{plan.parent}"'] if plan.parent else []
        lines.append("")
    for plan in plans:
        for agency in (*plan.agencies, *plan.reached):
            lines += [
                "[[agencies]]",
                f'code = "{agency.code}"',
                f'name = "{agency.name}"',
                f'tier = "{agency.tier}"',
                f'node = "{plan.name}"',
            ]
            lines += [f'old_code = "{agency.old_code}"'] if agency.old_code else []
            lines.append("")
    return "\n".join(lines)


def _listeners(node: RunningNode) -> str:
    return (
        f"[listen]\naxis = [{_faces(node.axis_port)}]\nnative = [{_faces(node.native_port)}]\n"
        f'nodes = ["127.0.0.1:{node.nodes_port}"]'
    )


def _faces(port: int) -> str:
    """Both loopback addresses, where there are two: `localhost` may stand for either."""
    hosts = (f"[{host}]" if ":" in host else host for _, host in loopbacks())
    return ", ".join(f'"{host}:{port}"' for host in hosts)


def config_text(node: RunningNode, nodes: Mapping[str, RunningNode], extra: str) -> str:
    plan = node.plan
    codes = ", ".join(f'"{agency.code}"' for agency in plan.agencies)
    parts = [
        f'[node]\nid = "{plan.name}"\ndata_dir = "data"',
        _listeners(node),
        '[trust]\nroots = ["../pki/root/root.pem"]',
        f'[directory]\nfiles = ["../{node.directory_name}"]',
        *(
            f'[keys.{purpose}]\ncertificate = "../pki/nodes/{plan.name}/{purpose}.pem"\n'
            f'key = "../pki/nodes/{plan.name}/{purpose}.key.pem"'
            for purpose in ("tls", "sign", "log")
        ),
        *(
            f'[[keys.agencies]]\ncertificate = "../pki/agencies/{agency.code}.pem"\n'
            f'key = "../pki/agencies/{agency.code}.key.pem"'
            for agency in plan.agencies
            if agency.own_key
        ),
        *(
            f'[[neighbours]]\nid = "{other.plan.name}"\nurl = "https://127.0.0.1:{other.nodes_port}"\n'
            f'relation = "{"uplink" if other.plan.name == plan.parent else "downlink"}"'
            for other in nodes.values()
            if other.plan.name == plan.parent or other.plan.parent == plan.name
        ),
        *_bridge(node, nodes),
        f'[[systems]]\nsystemid = "{node.systemid}"\nsecret = "{node.secret}"\nagencies = [{codes}]',
        extra,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _bridge(node: RunningNode, nodes: Mapping[str, RunningNode]) -> list[str]:
    """The bridge that leaves this node, and the system as which one comes to it."""
    parts = []
    reached = ", ".join(f'"{agency.code}"' for agency in node.plan.reached)
    if (bridge := node.plan.bridge) is not None:
        far = nodes[bridge.to]
        parts.append(
            f'[keys.gateway]\ncertificate = "../pki/gateways/{node.plan.name}.pem"\n'
            f'key = "../pki/gateways/{node.plan.name}.key.pem"'
        )
        parts.append(
            f'[[bridges]]\nid = "{bridge.name}"\nurl = "{far.axis_url}"\n'
            f'systemid = "{far.gateway_systemid}"\nsecret = "{far.gateway_secret}"\n'
            f'ca = "../pki/root/root.pem"\nagencies = [{reached}]\npoll = 0.3'
        )
    if any(one.plan.bridge and one.plan.bridge.to == node.plan.name for one in nodes.values()):
        parts.append(
            f'[[systems]]\nsystemid = "{node.gateway_systemid}"\n'
            f'secret = "{node.gateway_secret}"\nagencies = [{reached}]'
        )
    return parts
