"""What `up` says that it does."""

from __future__ import annotations

import pathlib

import pytest

from pilothouse.house import doctor
from pilothouse.house.bring_up import BringUp, Options
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec
from pilothouse.testing.clock import VirtualClock
from tests.house.test_steps import Recorder

SPEC = ClusterSpec("dev", "simulated", 6443, "192.0.2.1", "172.30.0.0/24", "10.244.0.0/16")


@pytest.mark.parametrize("switch", [True, False])
def test_no_step_speaks_of_a_switch_that_is_not_made(tmp_path: pathlib.Path, switch: bool) -> None:
    paths = Paths(tmp_path / "state/dev", tmp_path / "run/dev")
    options = Options(switch_context=switch)
    names = [step.name for step in BringUp(paths, None, SPEC, VirtualClock(), Recorder(), options).steps()]
    assert ("switch kubectl to it" in names) is switch
    assert any("kubectl" in name for name in names)


def test_what_passed_needs_no_remedy() -> None:
    for runtime in ("containerd", "simulated"):
        for check in doctor.checks(runtime):  # type: ignore[arg-type]  # the two kinds there are
            assert bool(check.remedy) <= (not check.passed)
            assert bool(check.packages) <= (not check.passed)
