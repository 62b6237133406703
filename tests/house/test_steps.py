"""Steps: done in order, undone in reverse, and only what this run changed."""

from __future__ import annotations

import os

import pytest

from pilothouse.house.steps import Injected, Step, run
from pilothouse.seams.house import HouseError


class Recorder:
    def __init__(self) -> None:
        self.said: list[str] = []

    def started(self, step: str) -> None:
        self.said.append(f"started {step}")

    def finished(self, step: str, seconds: float) -> None:
        self.said.append(f"finished {step}")

    def failed(self, step: str, message: str) -> None:
        self.said.append(f"failed {step}: {message}")

    def abandoned(self, step: str) -> None:
        self.said.append(f"abandoned {step}")

    def note(self, message: str) -> None:
        self.said.append(message)


def machine(log: list[str], name: str, *, changes: bool = True, error: Exception | None = None) -> Step:
    def do() -> bool:
        if error:
            raise error
        log.append(f"do {name}")
        return changes

    return Step(name, do, lambda: log.append(f"undo {name}"))


def test_all_done_and_nothing_undone() -> None:
    log: list[str] = []
    run([machine(log, "a"), machine(log, "b")], Recorder())
    assert log == ["do a", "do b"]


@pytest.mark.parametrize("at", ["a", "b", "c"])
def test_a_failure_after_any_step_undoes_all_before_it(at: str) -> None:
    log: list[str] = []
    with pytest.raises(Injected):
        run([machine(log, n) for n in "abc"], Recorder(), fail_after=at)
    done = [line[3:] for line in log if line.startswith("do ")]
    assert [line[5:] for line in log if line.startswith("undo ")] == done[::-1]
    assert done[-1] == at


def test_the_failed_step_is_undone_too_and_unchanged_ones_are_not() -> None:
    log: list[str] = []
    steps = [machine(log, "a"), machine(log, "kept", changes=False), machine(log, "bad", error=HouseError("no"))]
    with pytest.raises(HouseError, match="no"):
        run(steps, Recorder())
    assert log == ["do a", "do kept", "undo bad", "undo a"]


def test_an_operating_system_error_becomes_words_and_advice() -> None:
    progress = Recorder()
    with pytest.raises(HouseError, match=r"b: .*No space left") as caught:
        run([machine([], "b", error=OSError(28, "No space left on device"))], progress)
    assert "free some space" in caught.value.advice
    assert any(line.startswith("failed b") for line in progress.said)


def test_a_failing_undo_does_not_stop_the_others() -> None:
    log: list[str] = []

    def refuse() -> None:
        raise OSError("busy")

    progress = Recorder()
    steps = [machine(log, "a"), Step("stuck", lambda: True, refuse), machine(log, "bad", error=HouseError("no"))]
    with pytest.raises(HouseError):
        run(steps, progress)
    assert "undo a" in log
    assert "could not undo 'stuck': busy" in progress.said


class Impatient(Recorder):
    """The user presses Ctrl-C when this is said."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self._when = when

    def started(self, step: str) -> None:
        super().started(step)
        self._look(f"started {step}")

    def finished(self, step: str, seconds: float) -> None:
        self._look(f"finished {step}")
        super().finished(step, seconds)

    def _look(self, said: str) -> None:
        if said == self._when:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("when", "done"), [("started a", []), ("finished a", ["a"]), ("started b", ["a"]), ("finished b", ["b", "a"])]
)
def test_an_interrupt_at_any_moment_takes_back_what_was_done(when: str, done: list[str]) -> None:
    log: list[str] = []
    progress = Impatient(when)
    with pytest.raises(KeyboardInterrupt) as caught:
        run([machine(log, "a"), machine(log, "b")], progress)
    assert [line[5:] for line in log if line.startswith("undo ")] == done
    step = when[-1]
    assert str(caught.value) == f"interrupted at '{step}'; what it had changed so far is taken back"
    assert not [line for line in progress.said if "failed" in line or "Interrupt" in line]
    assert progress.said[-1] == f"abandoned {step}"


def test_an_interrupt_that_a_failure_on_the_way_out_hides_is_one() -> None:
    """As shutil.rmtree does it: it closes again what it had closed when the interrupt came."""

    def removes_a_tree() -> bool:
        try:
            raise KeyboardInterrupt
        finally:
            os.close(-1)

    progress = Recorder()
    with pytest.raises(KeyboardInterrupt) as caught:
        run([Step("a", removes_a_tree)], progress, interrupted="half of it is gone")
    assert str(caught.value) == "interrupted at 'a'; half of it is gone"
    assert progress.said == ["started a", "abandoned a"]


def test_an_interrupt_in_a_step_undoes_it_too() -> None:
    log: list[str] = []

    def interrupted() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([machine(log, "a"), Step("b", interrupted, lambda: log.append("undo b"))], Recorder())
    assert log == ["do a", "undo b", "undo a"]
