"""The demo from curtain to curtain: the folder, the nodes, the story, the verdict, the clearing up.

The folder is kept, and its path told, when something did not hold: the nodes' logs are in it.

Touches: a temporary folder, child processes, the signals SIGINT and SIGTERM while it runs.
Raises:  nothing of the relay's own failures; they become exit code 1.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, TypeVar

from relay.demo import plan, report, revoking
from relay.demo.checks import Verdict, judge
from relay.demo.evidence import Exported, export
from relay.demo.native import at_socket
from relay.demo.network import Network, RunningNode
from relay.demo.report import Endpoint, Progress
from relay.demo.story import Story
from relay.errors import RelayError

OK, FAILED = 0, 1
Result = TypeVar("Result")


class InterruptedByUserError(RelayError):
    """SIGINT or SIGTERM came before the end."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One performance."""

    keep: bool
    as_json: bool
    out: TextIO
    progress: Progress
    folder: Path
    told: asyncio.Event
    """Set by SIGINT or SIGTERM."""
    cast: plan.Cast = plan.PLAIN
    revoke: bool = False

    async def perform(self) -> int:
        """The exit code; what is left of the folder is for whoever must look why."""
        if self.revoke:
            return await self._revoke()
        try:
            network = Network.build(self.folder, self.cast.nodes, now=_now(), extra=plan.QUICK)
        except RelayError as error:
            return self._broken([], error)
        count = len(network.nodes)
        self.progress.step(f"a root, its branches and the certificates of {count} nodes made")
        try:
            verdict, endpoints, exported = await self._unless_told(self._run(network))
            self._show(verdict, endpoints, exported)
            if self.keep:
                await self._wait()
        except RelayError as error:
            return self._broken(list(network.nodes.values()), error)
        finally:
            await network.stop()
        if not verdict.holds:
            self.progress.say(f"✗ not everything holds; kept for a look: {self.folder}")
            return FAILED
        self._clear()
        return OK

    async def _run(self, network: Network) -> tuple[Verdict, list[Endpoint] | None, Exported]:
        await network.start()
        self.progress.step(f"{len(network.nodes)} nodes up, their logs in {self.folder}/*/node.log")
        async with AsyncExitStack() as exits:
            tale = await Story(network, exits, _now, self.progress.step, self.cast).play()
            token = await _token(network.nodes[plan.SENDER.node])
            verdict = await judge(network, tale, token, self.cast)
        self.progress.step("receipts, seals and logs recomputed")
        exported = await export(network, tale.journeys[0].message_id, token)
        verdict = replace(verdict, checks=(*verdict.checks, exported.check))
        self.progress.step("evidence of the letter exported and judged in an empty folder")
        return verdict, await _endpoints(network) if self.keep else None, exported

    async def _revoke(self) -> int:
        """`relay demo --revoke`: the same folder, the same nodes, another story."""
        async with AsyncExitStack() as exits:
            network: Network | None = None
            try:
                network = await revoking.build(self.folder, self.cast.nodes, _now, exits)
                outcome = await self._unless_told(self._play(network, exits))
            except RelayError as error:
                return self._broken([] if network is None else list(network.nodes.values()), error)
            finally:
                if network is not None:
                    await network.stop()
        report.show_revocation(outcome, self.out, as_json=self.as_json)
        if not outcome.holds:
            self.progress.say(f"✗ not everything holds; kept for a look: {self.folder}")
            return FAILED
        self._clear()
        return OK

    async def _play(self, network: Network, exits: AsyncExitStack) -> revoking.Outcome:
        await network.start()
        self.progress.step(f"{len(network.nodes)} nodes up, a live CRL and OCSP responder")
        return await revoking.RevokeStory(network, exits, _now, self.progress.step).play()

    def _show(self, verdict: Verdict, endpoints: list[Endpoint] | None, exported: Exported) -> None:
        if self.as_json:
            report.print_json(report.whole(verdict, endpoints, exported), self.out)
            return
        report.print_tables(verdict, self.out)
        report.print_evidence(exported, self.out)
        if endpoints is not None:
            report.print_endpoints(endpoints, self.out)

    def _broken(self, nodes: list[RunningNode], error: RelayError) -> int:
        """The story came to no end; an interrupted one, or one that did not begin, teaches nothing."""
        self.progress.say(f"✗ {error}")
        nothing_to_see = isinstance(error, InterruptedByUserError) or not nodes
        if self.as_json:
            kept = None if nothing_to_see else str(self.folder)
            report.print_json(report.broken(nodes, str(error), kept), self.out)
        if nothing_to_see:
            self._clear()
        else:
            self.progress.say(f"  kept for a look: {self.folder}, the logs are its */node.log")
        return FAILED

    def _clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _wait(self) -> None:
        self.progress.say("the nodes stay up; Ctrl-C or SIGTERM ends them and removes the folder")
        await self.told.wait()
        self.progress.say("stopping")

    async def _unless_told(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.create_task(work)
        told = asyncio.create_task(self.told.wait())
        try:
            await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise InterruptedByUserError("interrupted")
            return task.result()
        finally:
            for one in (task, told):
                one.cancel()
            await asyncio.gather(task, told, return_exceptions=True)


def perform(
    *,
    keep: bool,
    as_json: bool,
    out: TextIO,
    err: TextIO,
    bridge: bool = False,
    revoke: bool = False,
) -> int:
    """See relay.demo.run."""
    folder = Path(tempfile.mkdtemp(prefix="relay-demo-"))
    cast = plan.BRIDGED if bridge else plan.PLAIN
    with _no_overrides():
        return asyncio.run(_perform(keep, as_json, out, Progress(err), folder, cast, revoke))


async def _perform(
    keep: bool,
    as_json: bool,
    out: TextIO,
    progress: Progress,
    folder: Path,
    cast: plan.Cast,
    revoke: bool,
) -> int:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    return await Stage(keep, as_json, out, progress, folder, told, cast, revoke).perform()


@contextmanager
def _no_overrides() -> Iterator[None]:
    """RELAY_NODE__DATA_DIR and its like are meant for a node of the caller's own, not for these."""
    found = {n: v for n, v in os.environ.items() if n.startswith("RELAY_") and "__" in n}
    for name in found:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(found)


async def _token(node: RunningNode) -> str:
    scopes = [f"agency:{agency.code}" for agency in node.plan.agencies]
    async with at_socket(node.control) as operator:
        return await operator.issue_token("demo document-management system", scopes)


async def _endpoints(network: Network) -> list[Endpoint]:
    return [await _endpoint(network, node) for node in network.nodes.values()]


async def _endpoint(network: Network, node: RunningNode) -> Endpoint:
    async with at_socket(node.control) as operator:
        operator_token = await operator.issue_token("demo operator", ["operator"])
    return Endpoint(
        node=node.plan.name,
        tier=node.plan.tier,
        axis_url=node.axis_url,
        native_url=node.native_url,
        systemid=node.systemid,
        secret=node.secret,
        token=await _token(node),
        operator_token=operator_token,
        ca=str(network.root),
        agencies=tuple(agency.code for agency in node.plan.agencies),
        pid=node.pid,
        config=str(node.config),
    )


def _now() -> datetime:
    return datetime.now(UTC)
