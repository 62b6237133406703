"""Runs plugins in their order. Pure but for the asynchronous points, which only pass on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pilothouse.kit import guard
from pilothouse.scheduler.framework.cycle import Cycle
from pilothouse.scheduler.framework.outcome import Diagnosis, Outcome, Refused
from pilothouse.scheduler.framework.plugin import (
    BindPlugin,
    FilterPlugin,
    NarrowingPlugin,
    PermitPlugin,
    Plugin,
    PostFilterPlugin,
    PreBindPlugin,
    PreFilterPlugin,
    PreScorePlugin,
    ReservePlugin,
    ScorePlugin,
)
from pilothouse.scheduler.snapshot.columns import FloatColumn
from pilothouse.scheduler.snapshot.view import View


class Framework:
    """`plugins` with the weights of their scores, in the order in which they are asked."""

    def __init__(self, plugins: Sequence[tuple[Plugin, int]]) -> None:
        self.plugins = {p.name: p for p, _ in plugins}
        self._pre_filters = [p for p, _ in plugins if isinstance(p, PreFilterPlugin)]
        self._narrowing = [p for p, _ in plugins if isinstance(p, NarrowingPlugin)]
        self._filters = [p for p, _ in plugins if isinstance(p, FilterPlugin)]
        self._post_filters = [p for p, _ in plugins if isinstance(p, PostFilterPlugin)]
        self._scores = [
            (p, weight, p if isinstance(p, PreScorePlugin) else None)
            for p, weight in plugins
            if isinstance(p, ScorePlugin)
        ]
        self._reserves = [p for p, _ in plugins if isinstance(p, ReservePlugin)]
        self._permits = [p for p, _ in plugins if isinstance(p, PermitPlugin)]
        self._pre_binds = [p for p, _ in plugins if isinstance(p, PreBindPlugin)]
        self._binds = [p for p, _ in plugins if isinstance(p, BindPlugin)]

    def pre_filter(self, cycle: Cycle) -> Refused | None:
        """The first refusal of the pod as such."""
        for plugin in self._pre_filters:
            refused = plugin.pre_filter(cycle)
            if refused is not None:
                return refused
        return None

    def narrow(self, cycle: Cycle) -> tuple[frozenset[str], Sequence[str]] | None:
        """The only nodes that come into question, with the sorted names of the plugins who say so; None: all do."""
        names: frozenset[str] | None = None
        plugins: list[str] = []
        for plugin in self._narrowing:
            found = plugin.node_names(cycle)
            if found is not None:
                names = found if names is None else names & found
                plugins.append(plugin.name)
        return None if names is None else (names, sorted(plugins))

    def filter(self, cycle: Cycle, view: View) -> Outcome:
        """Ask about all nodes of a view. A node that one plugin turned down is no business of the next."""
        outcome = Outcome.all_feasible(len(view))
        alive = outcome.feasible
        everybody = True
        for plugin in self._filters:
            out: np.ndarray | None = None
            for rejection in plugin.filter(cycle, view):
                mask = rejection.mask if everybody else rejection.mask & alive
                count = int(np.count_nonzero(mask))
                if not count:
                    continue
                outcome.counts[rejection.reason] += count
                outcome.plugins.add(plugin.name)
                if not rejection.resolvable:
                    outcome.hopeless |= mask
                out = mask if out is None else out | mask
            if out is not None:
                alive &= ~out
                everybody = False
                if not alive.any():
                    break
        return outcome

    def score(self, cycle: Cycle, view: View) -> FloatColumn:
        """The weighted sum of all scores for the nodes of a view."""
        total = np.zeros(len(view))
        for plugin, weight, before in self._scores:
            if before is None or before.pre_score(cycle, view):
                total += weight * plugin.score(cycle, view)
        return total

    async def post_filter(self, cycle: Cycle, diagnosis: Diagnosis) -> str | None:
        """The node to wait for, "" for none, None for no change; what plugins say is joined in `diagnosis.after`."""
        said: list[str] = []
        found: str | None = None
        for plugin in self._post_filters:
            node, text = await plugin.post_filter(cycle, diagnosis)
            if text:
                said.append(text)
            if node:
                return node
            found = node if found is None else found
        diagnosis.after = ", ".join(said)
        return found

    def reserve(self, cycle: Cycle, node: str) -> Refused | None:
        """Reserve with every plugin; after a refusal nothing stays reserved."""
        for plugin in self._reserves:
            refused = plugin.reserve(cycle, node)
            if refused is not None:
                self.unreserve(cycle, node)
                return refused
        return None

    def unreserve(self, cycle: Cycle, node: str) -> None:
        guard.each("scheduler plugin", reversed(self._reserves), lambda plugin: plugin.unreserve(cycle, node))

    async def permit(self, cycle: Cycle, node: str) -> Refused | None:
        for plugin in self._permits:
            refused = await plugin.permit(cycle, node)
            if refused is not None:
                return refused
        return None

    def binding_takes_time(self, cycle: Cycle, node: str) -> bool:
        """Whether something delays the binding: a PreBind plugin with work to do, or one that may wait."""
        return bool(self._permits) or any(plugin.takes_time(cycle, node) for plugin in self._pre_binds)

    async def bind(self, cycle: Cycle, node: str) -> Refused | None:
        """PreBind, then Bind by the first that binds. Raises what they raise."""
        for plugin in self._pre_binds:
            refused = await plugin.pre_bind(cycle, node)
            if refused is not None:
                return refused
        await self._binds[0].bind(cycle, node)
        return None
