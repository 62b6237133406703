from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from pilothouse.kit import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = True


def written(stream: io.StringIO) -> str:
    return stream.getvalue()


def test_text_is_one_line_with_extras() -> None:
    out = io.StringIO()
    logs.set_up(stream=out)
    logger = logging.getLogger("pilothouse.scheduler.cycle")
    logger.debug("unseen")
    logger.info("bound %s", "it", extra={"pod": "ns/a", "why": 'a "b"', "empty": ""})
    line = written(out)
    assert line.endswith(' INFO scheduler.cycle: bound it pod=ns/a why="a \\"b\\"" empty=""\n')
    assert line[10] == "T"
    assert line[23] == "Z"


def test_json_is_one_object_a_line() -> None:
    out = io.StringIO()
    logs.set_up("debug", "json", out)
    try:
        raise ValueError("no\nway")
    except ValueError:
        logging.getLogger("x").exception("failed", extra={"n": 1, "what": object, "msg2": "m"})
    told = json.loads(written(out))
    assert (told["level"], told["logger"], told["msg"], told["n"]) == ("error", "x", "failed", 1)
    assert "ValueError: no" in told["error"]
    assert written(out).count("\n") == 1


def test_colours_only_for_a_terminal_that_wants_them() -> None:
    for stream, environ, colored in (
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (io.StringIO(), {}, False),
    ):
        logs.set_up(stream=stream, environ=environ)
        logging.getLogger("x").warning("careful")
        assert ("\033[" in written(stream)) is colored


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="none of debug, info"):
        logs.set_up("loud")


@pytest.mark.parametrize("format", ["text", "json"])
def test_no_line_shows_where_an_object_lies(format: logs.Format) -> None:
    out = io.StringIO()
    logs.set_up(format=format, stream=out)
    thing = object()
    try:
        raise ValueError(f"{thing!r} is bad")
    except ValueError:
        logging.getLogger("pilothouse.x").exception(
            "%r of %s", thing, {"a": thing}, extra={"b": thing, "c": repr(thing)}
        )
    assert " at 0x" not in written(out)
    assert written(out).count("<object object>") >= 5
    logging.getLogger("pilothouse.x").info("an address at 0xff of a program")
    assert "an address at 0xff of a program" in written(out)
