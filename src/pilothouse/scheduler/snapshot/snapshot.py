"""Nodes and the pods on them. Every change updates the columns it touches; nothing is computed anew."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping

import numpy as np

from pilothouse.api.types.core.v1 import Node, Taint
from pilothouse.scheduler.snapshot.columns import Columns, IntColumn
from pilothouse.scheduler.snapshot.labels import Images, Labels
from pilothouse.scheduler.snapshot.pods import PodInfo, amount
from pilothouse.scheduler.snapshot.record import NodeRecord
from pilothouse.scheduler.snapshot.terms import Terms
from pilothouse.scheduler.snapshot.view import View

KEPT_COUNTERS = 512
PodMatcher = Callable[[PodInfo], bool]
CounterKey = tuple[object, ...]


class _Counter:
    """How many pods on each node a matcher accepts; kept current while it is used."""

    __slots__ = ("column", "matches")

    def __init__(self, column: str, matches: PodMatcher) -> None:
        self.column = column
        self.matches = matches


class Snapshot:
    """Columns by name: `allocatable/RESOURCE` and `requested/RESOURCE` (millicores, bytes, units), `pods` (how many),
    `rated/cpu` and `rated/memory`, `unschedulable` (0 or 1), `taints` (number of the set of taints in `taint_sets`).

    `priorities` counts the pods on nodes by priority. `version` grows with every change, `static_version` with changes
    of nodes themselves. Not for several tasks at once: whoever holds it changes it between two awaits.
    """

    def __init__(self) -> None:
        self.columns = Columns()
        self.records: list[NodeRecord] = []
        self.version = 0
        self.static_version = 0
        self.taint_sets: list[tuple[Taint, ...]] = [()]
        self.namespace_labels: dict[str, Mapping[str, str]] = {}
        self.images = Images()
        self.priorities: Counter[int] = Counter()
        self.terms = Terms(self)
        self._by_name: dict[str, NodeRecord] = {}
        self._places: dict[str, str] = {}
        self._homeless: dict[str, dict[str, PodInfo]] = {}
        self._labels = Labels(self.columns)
        self._counters: OrderedDict[CounterKey, _Counter] = OrderedDict()
        self._counted = 0
        for name in ("pods", "rated/cpu", "rated/memory", "unschedulable", "taints", "ports"):
            self.columns.ensure(name)

    def __len__(self) -> int:
        return self.columns.count

    def view(self) -> View:
        """All nodes."""
        return View(self, slice(0, self.columns.count))

    def at(self, row: int) -> View:
        """One node."""
        return View(self, slice(row, row + 1))

    def node(self, name: str) -> NodeRecord | None:
        return self._by_name.get(name)

    def place_of(self, uid: str) -> str:
        """The name of the node that a pod is on, "" if it is on none."""
        return self._places.get(uid, "")

    # --- nodes

    def put_node(self, node: Node) -> None:
        """Add or change a node."""
        self.version += 1
        record = self._by_name.get(node.metadata.name)
        if record is None:
            record = NodeRecord(node, self.columns.append())
            self.records.append(record)
            self._by_name[record.name] = record
            self._write_node(record, None)
            for info in self._homeless.pop(record.name, {}).values():
                self._place(record, info)
        else:
            before, record.node = record.node, node
            self._write_node(record, before)

    def drop_node(self, name: str) -> None:
        """Remove a node; pods that are said to be on it wait for its return."""
        record = self._by_name.pop(name, None)
        if record is None:
            return
        self.version += 1
        self.static_version += 1
        held = dict(record.pods)
        for info in held.values():
            self._unplace(record, info)
        if held:
            self._homeless[name] = held
        self.images.replace(record.images, {})
        row = record.row
        moved = self.columns.remove(row)
        last = self.records.pop()
        if moved != row:
            last.row = row
            self.records[row] = last

    def _write_node(self, record: NodeRecord, before: Node | None) -> None:
        node, row, columns = record.node, record.row, self.columns
        if before is None or before.status.allocatable != node.status.allocatable:
            self.static_version += 1
            self._write_allocatable(record, before)
        if before is None or before.spec != node.spec or before.metadata.labels != node.metadata.labels:
            self.static_version += 1
            columns["unschedulable"][row] = node.spec.unschedulable
            columns["taints"][row] = self._taint_set(node.spec.taints)
            self._labels.write(row, node.metadata.labels)
        if before is None or before.status.images != node.status.images:
            sizes = {name: i.size_bytes for i in node.status.images for name in i.names or ()}
            record.images = self.images.replace(record.images, sizes)

    def _write_allocatable(self, record: NodeRecord, before: Node | None) -> None:
        row, found = record.row, record.node.status.allocatable
        for name in before.status.allocatable if before is not None else ():
            if name not in found:
                self.columns[f"allocatable/{name}"][row] = 0
        for name, quantity in found.items():
            self.columns.ensure(f"requested/{name}")
            self.columns.ensure(f"allocatable/{name}")[row] = amount(name, quantity.value)

    def _taint_set(self, taints: tuple[Taint, ...]) -> int:
        timeless = tuple(Taint(key=t.key, value=t.value, effect=t.effect) for t in taints)
        if timeless not in self.taint_sets:
            self.taint_sets.append(timeless)
        return self.taint_sets.index(timeless)

    def label_codes(self, key: str) -> IntColumn:
        """The codes of a label's values over all rows, capacity included; -1 where it is missing."""
        return self._labels.codes(key, self.records)

    # --- pods

    def put_pod(self, info: PodInfo, node: str) -> None:
        """A pod is on `node` (or is assumed to be); replaces what was known of it."""
        if self._places.get(info.uid) == node and (record := self._by_name.get(node)) is not None:
            held = record.pods[info.uid]
            same = held.profile is info.profile and held.priority == info.priority
            if same and held.terminating == info.terminating:
                record.pods[info.uid] = info
                return
        self.drop_pod(info.uid)
        self.version += 1
        self._places[info.uid] = node
        record = self._by_name.get(node)
        if record is None:
            self._homeless.setdefault(node, {})[info.uid] = info
        else:
            self._place(record, info)

    def drop_pod(self, uid: str) -> PodInfo | None:
        """A pod is gone; returns it."""
        name = self._places.pop(uid, None)
        if name is None:
            return None
        self.version += 1
        record = self._by_name.get(name)
        if record is None:
            waiting = self._homeless[name]
            info = waiting.pop(uid)
            if not waiting:
                del self._homeless[name]
            return info
        info = record.pods[uid]
        self._unplace(record, info)
        return info

    def _place(self, record: NodeRecord, info: PodInfo) -> None:
        record.pods[info.uid] = info
        self._account(record, info, 1)

    def _unplace(self, record: NodeRecord, info: PodInfo) -> None:
        del record.pods[info.uid]
        self._account(record, info, -1)

    def _account(self, record: NodeRecord, info: PodInfo, sign: int) -> None:
        row, columns, profile = record.row, self.columns, info.profile
        self.priorities[info.priority] += sign
        if not self.priorities[info.priority]:
            del self.priorities[info.priority]
        for name, wanted in profile.requests.items():
            columns.ensure(f"requested/{name}")[row] += sign * wanted
        columns["pods"][row] += sign
        columns["rated/cpu"][row] += sign * profile.rated_cpu
        columns["rated/memory"][row] += sign * profile.rated_memory
        for port in profile.ports:
            held = record.ports.get(port, 0) + sign
            if held:
                record.ports[port] = held
            else:
                del record.ports[port]
            columns["ports"][row] += sign
        for counter in self._counters.values():
            if counter.matches(info):
                columns[counter.column][row] += sign
        self.terms.account(info, row, sign)

    # --- counting pods

    def count(self, key: CounterKey, matches: PodMatcher) -> IntColumn:
        """How many pods on each node `matches` accepts, over all rows, capacity included. Equal keys mean equal
        matchers; the first call looks at every pod, later ones at none. A matcher may depend on a pod's namespace,
        labels and whether it is terminating, and on `namespace_labels`."""
        counter = self._counters.get(key)
        if counter is None:
            self._counted += 1
            counter = self._counters[key] = _Counter(f"count/{self._counted}", matches)
            column = self.columns.ensure(counter.column)
            for record in self.records:
                column[record.row] = sum(1 for info in record.pods.values() if matches(info))
            if len(self._counters) > KEPT_COUNTERS:
                _, oldest = self._counters.popitem(last=False)
                self.columns.drop(oldest.column)
        else:
            self._counters.move_to_end(key)
        return self.columns[counter.column]

    def put_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """The labels of a namespace; None: it is gone. What was counted by them is counted anew."""
        if self.namespace_labels.get(name) == labels:
            return
        self.version += 1
        if labels is None:
            self.namespace_labels.pop(name, None)
        else:
            self.namespace_labels[name] = labels
        for counter in self._counters.values():
            self.columns.drop(counter.column)
        self._counters.clear()

    # --- domains

    def domain_sums(self, key: str, amounts: IntColumn, chosen: np.ndarray | None = None) -> IntColumn:
        """For each code of a label, the sum of `amounts` over its nodes (those `chosen`, if given)."""
        rows = slice(0, self.columns.count)
        codes, amounts = self.label_codes(key)[rows], amounts[rows]
        valid = codes >= 0 if chosen is None else (codes >= 0) & chosen
        size = self._labels.count(key)
        return np.bincount(codes[valid], weights=amounts[valid], minlength=size).astype(np.int64)
