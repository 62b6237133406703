"""How a shell leaves the ordinary course of its commands."""

from __future__ import annotations

# A script shares its thread with the whole control plane: what one command can ask for is bounded.
LONGEST_TEXT = 32 << 10
LONGEST_SCRIPT = 32 << 10
LONGEST_TYPED = 4 << 10
MOST_FIELDS = 4096
MOST_PATTERNS = 50
LONGEST_TRIMMED = 1024
MOST_FUNCTIONS = 200
MOST_ARGUMENTS = 200
LARGEST_PIPE = 4 << 20
MOST_VARIABLES = 500


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
