"""The admission plugins that are on, in the order they run: one line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pilothouse.apiserver.admission.chain import Chain
from pilothouse.apiserver.admission.interface import MutatingPlugin, ValidatingPlugin
from pilothouse.apiserver.admission.surroundings import Surroundings

Factory = Callable[[Surroundings], MutatingPlugin | ValidatingPlugin]

PLUGINS: Sequence[Factory] = ()


def build(surroundings: Surroundings) -> Chain:
    """The chain of all plugins that are on."""
    return Chain([make(surroundings) for make in PLUGINS])
