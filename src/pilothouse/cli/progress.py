"""Progress for people: one line a step, rewritten in place on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
from typing import TextIO


def colour_wanted(stream: TextIO) -> bool:
    """Colour only on a terminal, and never where NO_COLOR has a value (https://no-color.org) or TERM is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class LineProgress:
    """Prints steps to `stream`."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet
        self._live = stream.isatty()
        self._colour = colour_wanted(stream)

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def started(self, step: str) -> None:
        if self._live and not self._quiet:
            self._stream.write(f"  … {step}")
            self._stream.flush()

    def _line(self, text: str) -> None:
        if self._quiet:
            return
        self._stream.write(("\r\x1b[K" if self._live else "") + text + "\n")
        self._stream.flush()

    def finished(self, step: str, seconds: float) -> None:
        self._line(f"  {self._paint('✓', '32')} {step} ({seconds:.1f} s)")

    def failed(self, step: str, message: str) -> None:
        self._line(f"  {self._paint('✗', '31')} {step}: {message}")

    def abandoned(self, step: str) -> None:
        if self._live and not self._quiet:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def note(self, message: str) -> None:
        self._line(f"    {message}")
