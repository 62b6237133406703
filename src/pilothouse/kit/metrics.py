"""Metrics in the Prometheus text format: counters, gauges and histograms, with labels or without.

A component is given a `Registry` and declares its families there once; on the hot path it keeps the child of its label
values (`family.labels("GET", "200")`) or asks for it, which is one dictionary look-up. For one loop, not for threads.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

# Seconds; those of the Prometheus clients.
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Sequence[str]


class Sample(Protocol):
    """What a family holds for each combination of label values."""

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """The sample's lines; `labels` is `a="b",c="d"` or empty."""
        ...


class Counter:
    """Only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def inc(self, amount: float = 1) -> None:
        self.value += amount

    def lines(self, name: str, labels: str) -> Iterator[str]:
        yield _line(name, labels, self.value)


class Gauge:
    """Goes up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def set(self, value: float) -> None:
        self.value = value

    def inc(self, amount: float = 1) -> None:
        self.value += amount

    def dec(self, amount: float = 1) -> None:
        self.value -= amount

    def lines(self, name: str, labels: str) -> Iterator[str]:
        yield _line(name, labels, self.value)


class Histogram:
    """Counts observations into buckets; `bounds` are their upper ends, inclusive and ascending."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total: float = 0

    def observe(self, value: float) -> None:
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """The bound under which that share of observations lies: an upper estimate, infinite above the last bound."""
        wanted, seen = share * self.count, 0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            seen += count
            if seen >= wanted:
                return bound
        return math.inf

    def lines(self, name: str, labels: str) -> Iterator[str]:
        seen = 0
        before = labels + "," if labels else ""
        for bound, count in zip((*self.bounds, math.inf), self.counts, strict=True):
            seen += count
            yield _line(name + "_bucket", f'{before}le="{_number(bound)}"', seen)
        yield _line(name + "_sum", labels, self.total)
        yield _line(name + "_count", labels, seen)


S = TypeVar("S", bound=Sample)


class Family(Generic[S]):
    """One metric with all its combinations of label values."""

    def __init__(self, name: str, kind: str, told: str, labels: Labels, make: Callable[[], S]) -> None:
        self.name = name
        self.kind = kind
        self.told = told
        self.label_names = tuple(labels)
        self._make = make
        self._children: dict[tuple[str, ...], S] = {}
        if not labels:
            self.labels()

    def labels(self, *values: str) -> S:
        """The child of these values, in the order the labels were declared."""
        child = self._children.get(values)
        if child is None:
            if len(values) != len(self.label_names):
                raise ValueError(f"{self.name} has labels {self.label_names}, not {values}")
            child = self._children[values] = self._make()
        return child

    def adopt(self, child: S, *values: str) -> None:
        """Show a child that is kept elsewhere."""
        self._children[values] = child

    def remove(self, *values: str) -> None:
        """Forget a combination that means nothing any more."""
        self._children.pop(values, None)

    def samples(self) -> Iterator[tuple[str, S]]:
        """(label text, child) of each combination."""
        for values, child in self._children.items():
            yield _label_text(self.label_names, values), child

    def text(self) -> Iterator[str]:
        yield f"# HELP {self.name} {_told(self.told)}\n"
        yield f"# TYPE {self.name} {self.kind}\n"
        for labels, child in self.samples():
            yield from child.lines(self.name, labels)


class Registry:
    """All metrics of a process or component."""

    def __init__(self) -> None:
        self._families: dict[str, Family[Counter] | Family[Gauge] | Family[Histogram]] = {}
        self._read: dict[str, tuple[str, str, Labels, Callable[[], Mapping[tuple[str, ...], float]]]] = {}

    def counter(self, name: str, told: str, labels: Labels = ()) -> Family[Counter]:
        return self._add(Family(name, "counter", told, labels, Counter))

    def gauge(self, name: str, told: str, labels: Labels = ()) -> Family[Gauge]:
        return self._add(Family(name, "gauge", told, labels, Gauge))

    def histogram(
        self, name: str, told: str, labels: Labels = (), buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> Family[Histogram]:
        bounds = tuple(buckets)
        return self._add(Family(name, "histogram", told, labels, lambda: Histogram(bounds)))

    def read(
        self,
        name: str,
        told: str,
        read: Callable[[], Mapping[tuple[str, ...], float]],
        labels: Labels = (),
        kind: str = "gauge",
    ) -> None:
        """A metric whose values `read` tells when somebody looks, by label values (`{(): 3.0}` without labels)."""
        self._require_new(name)
        self._read[name] = (kind, told, labels, read)

    def names(self) -> Sequence[str]:
        """All metrics, in the order of the exposition."""
        return sorted((*self._families, *self._read))

    def text(self) -> str:
        """The exposition, families by name."""
        return "".join(map(self.text_of, self.names()))

    def text_of(self, name: str) -> str:
        """The exposition of one metric."""
        if name in self._families:
            return "".join(self._families[name].text())
        kind, told, labels, read = self._read[name]
        parts = [f"# HELP {name} {_told(told)}\n", f"# TYPE {name} {kind}\n"]
        parts += [_line(name, _label_text(labels, values), value) for values, value in read().items()]
        return "".join(parts)

    def _require_new(self, name: str) -> None:
        if name in self._families or name in self._read:
            raise ValueError(f"there is a metric {name} already")

    def _add(self, family: Family[S]) -> Family[S]:
        self._require_new(family.name)
        self._families[family.name] = family  # type: ignore[assignment]  # S is one of the three kinds
        return family


def _line(name: str, labels: str, value: float) -> str:
    return f"{name}{{{labels}}} {_number(value)}\n" if labels else f"{name} {_number(value)}\n"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _label_text(names: Labels, values: Labels) -> str:
    pairs = zip(names, values, strict=True)
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in pairs])


def _told(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escaped(text: str) -> str:
    return _told(text).replace('"', '\\"')
