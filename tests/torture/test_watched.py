"""What a callback that took long is blamed for."""

from __future__ import annotations

import pytest

from tests.torture.watched import blame


@pytest.mark.parametrize(
    ("clock", "whole", "own", "blamed"),
    [
        (0.2, 0.2, 0.2, 0.2),  # it worked
        (0.2, 0.2, 0.01, 0.18),  # a thread kept the interpreter from it
        (0.13, 0.13, 0.06, 0.06),  # a thread and the callback took turns
        (0.5, 0.02, 0.01, 0.01),  # the machine did something else
        (0.2, 0.4, 0.01, 0.18),  # two threads, one of them without the interpreter
    ],
)
def test_blame(clock: float, whole: float, own: float, blamed: float) -> None:
    assert blame(clock, whole, own) == pytest.approx(blamed)
