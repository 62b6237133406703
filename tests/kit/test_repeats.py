"""Items that came before in their list."""

from pilothouse.kit.repeats import repeated


def test_repeated() -> None:
    assert repeated([]) == []
    assert repeated(["a", "b", "a", "a", "c", "b"]) == [False, False, True, True, False, True]
