"""How a shell leaves the ordinary course of its commands."""

from __future__ import annotations

# The longest text that an expansion makes (a kernel has such a limit for an argument), and what of an unread pipe is
# kept. All else is bounded by the cgroup.
LONGEST_TEXT = 64 << 10
LARGEST_PIPE = 4 << 20


class ShellFailure(Exception):
    """The command cannot be carried out; a script ends with it. The text is what the shell prints."""


class Leave(Exception):
    """Base of the ways out of nested commands."""


class Exit(Leave):
    """`exit`: the shell ends with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Return(Leave):
    """`return`: the function ends with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Break(Leave):
    """`break` or `continue`, out of `levels` loops; `again`: the outermost of them goes on."""

    def __init__(self, levels: int, *, again: bool) -> None:
        super().__init__(levels)
        self.levels = levels
        self.again = again
