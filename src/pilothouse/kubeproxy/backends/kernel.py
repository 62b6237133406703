"""The commands that carry a transaction into the kernel of one network namespace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from pilothouse.kubeproxy.model import StaleFlow

_SWITCHES = """
for switch in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables net/bridge/bridge-nf-call-ip6tables; do
  file=/proc/sys/$switch
  [ ! -e $file ] || [ "$(cat $file)" = 1 ] || echo 1 > $file || exit 1
done
"""


class KernelRefused(Exception):
    """A command failed; its message is what the command said."""


class Kernel(Protocol):
    """Where rules go. All methods raise KernelRefused."""

    async def prepare(self) -> None:
        """Whatever rules need to be seen by packets at all; once, before the first `apply`."""
        ...

    async def apply(self, transaction: str) -> None:
        """All of a transaction or nothing."""
        ...

    async def has_table(self, family: str, name: str) -> bool:
        """Whether our table is still there."""
        ...

    async def forget_flow(self, flow: StaleFlow) -> None:
        """Remove flows from connection tracking."""
        ...


class NftKernel:
    """`nft` and `conntrack`, run after `prefix` (as `ip netns exec NAME`; empty: this process's own namespace)."""

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self._prefix = tuple(prefix)

    async def prepare(self) -> None:
        """Forward packets, and let those between two pods on one bridge pass the rules: their answers, too, must be
        translated back. A kernel without br_netfilter has no such switch, and then no such detour either."""
        code, said = await self._run(("sh", "-c", _SWITCHES))
        if code:
            raise KernelRefused(said[:2000])

    async def apply(self, transaction: str) -> None:
        code, said = await self._run(("nft", "-f", "-"), transaction)
        if code:
            raise KernelRefused(said[:2000])

    async def has_table(self, family: str, name: str) -> bool:
        # Listing reads every element first (0.9 s at 20,000 Services); a creation that is only checked reads nothing.
        code, said = await self._run(("nft", "-c", "create", "table", family, name))
        if code and "File exists" not in said:
            raise KernelRefused(said[:2000])
        return code != 0

    async def forget_flow(self, flow: StaleFlow) -> None:
        frontend = flow.frontend
        command = ["conntrack", "-D", "-p", frontend.protocol, "--dport", str(frontend.port)]
        if frontend.ip:
            command += ["--orig-dst", frontend.ip]
        if flow.endpoint:
            command += ["--dst-nat", flow.endpoint]
        if ":" in frontend.ip or ":" in flow.endpoint:
            command += ["-f", "ipv6"]
        code, said = await self._run(command)
        if code and "0 flow entries" not in said:
            raise KernelRefused(said[:2000])

    async def _run(self, command: Sequence[str], fed: str = "") -> tuple[int, str]:
        pipe = asyncio.subprocess.PIPE
        # A command that reads nothing may be gone before an empty input could be closed.
        feed = pipe if fed else asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *self._prefix, *command, stdin=feed, stdout=pipe, stderr=asyncio.subprocess.STDOUT
            )
        except OSError as error:
            raise KernelRefused(f"{command[0]}: {error}") from error
        said, _ = await process.communicate(fed.encode() if fed else None)
        return process.returncode or 0, said.decode(errors="replace")
