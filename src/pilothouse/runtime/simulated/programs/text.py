"""Programs that write and sift text."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence

import re2

from pilothouse.runtime.simulated.effects import Effect, Sleep
from pilothouse.runtime.simulated.files import LARGEST_TREE, FileFailure
from pilothouse.runtime.simulated.programs.call import Call

MOST_NUMBERS = 100_000
_ESCAPE = re.compile(rb"\\(?:([abefnrtv\\])|0?([0-7]{1,3})|x([0-9a-fA-F]{1,2}))")
_PLAIN = {
    b"a": b"\a", b"b": b"\b", b"e": b"\x1b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v",
    b"\\": b"\\",
}  # fmt: skip
_DIRECTIVE = re.compile(r"%(?:%|([-0 +#]*)(\d{0,3})(?:\.(\d{0,3}))?([sdiuxXocfb]))")


def escaped(text: str) -> bytes:
    """`\\n`, `\\t`, `\\033` and their like in place."""

    def character(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return _PLAIN[match[1]]
        return bytes([int(match[2], 8) & 255 if match[2] else int(match[3], 16)])

    return _ESCAPE.sub(character, text.encode())


def echo(call: Call) -> int:
    arguments = list(call.arguments)
    letters = ""
    while arguments and re.fullmatch(r"-[neE]+", arguments[0]):
        letters += arguments.pop(0)[1:]
    text = " ".join(arguments)
    data = escaped(text) if "e" in letters else text.encode()
    call.streams.stdout(data + (b"" if "n" in letters else b"\n"))
    return 0


def printf(call: Call) -> int:
    """The format is used again as long as there are arguments."""
    if not call.arguments:
        return call.complain("usage: printf FORMAT [ARG]...")
    pattern, *values = call.arguments
    rest = list(values)
    while True:
        before = len(rest)
        call.streams.stdout(escaped(_DIRECTIVE.sub(lambda match: _formatted(match, rest), pattern)))
        if not rest or len(rest) == before:
            return 0


def _formatted(match: re.Match[str], rest: list[str]) -> str:
    if match[4] is None:
        return "%"
    flags, width, precision, kind = match[1], match[2], match[3], match[4]
    value = rest.pop(0) if rest else ""
    if kind in "sbc":
        text = value[:1] if kind == "c" else value
        text = text[: int(precision or 0)] if precision is not None else text
        return text.ljust(int(width or 0)) if "-" in flags else text.rjust(int(width or 0))
    number: float = 0
    try:
        number = float(value) if kind == "f" else int(value, 0)
    except (ValueError, OverflowError):
        number = 0
    kind = "d" if kind in "iu" else kind
    return f"%{flags}{width}{'.' + precision if precision is not None else ''}{kind}" % number


def _inputs(call: Call, names: Sequence[str]) -> Generator[Effect, None, tuple[bytes, int]]:
    """The content of all files, or of the input; 1 if one could not be read."""
    if not names:
        return (yield from call.streams.stdin.rest()), 0
    parts: list[bytes] = []

    def read(path: str) -> None:
        if sum(map(len, parts)) > LARGEST_TREE:
            raise FileFailure("File too large")
        parts.append(call.inside.files.read(path))

    code = call.each(names, read)
    return b"".join(parts), code


def cat(call: Call) -> Generator[Effect, None, int]:
    """Input goes through as it comes."""
    _, names = call.options()
    if not names or names == ["-"]:
        while data := (yield from call.streams.stdin.chunk()):
            call.streams.stdout(data)
        return 0
    written = 0

    def show(path: str) -> None:
        nonlocal written
        data = call.inside.files.read(path)
        written += len(data)
        if written > LARGEST_TREE:
            raise FileFailure("File too large")
        call.streams.stdout(data)

    return call.each(names, show, "can't open")


def _lines_of(call: Call, names: Sequence[str]) -> Generator[Effect, None, tuple[list[bytes], int]]:
    data, code = yield from _inputs(call, names)
    return data.splitlines(keepends=True), code


def _count(call: Call, otherwise: int) -> tuple[int, list[str]]:
    """`-n N` or `-N`, and the other arguments."""
    rest = list(call.arguments)
    for index, argument in enumerate(rest):
        match = re.fullmatch(r"-n?(\d{1,9})", argument)
        if match:
            del rest[index]
            return int(match[1]), rest
        if argument == "-n" and index + 1 < len(rest) and rest[index + 1].isdigit():
            count = int(rest[index + 1][:9])
            del rest[index : index + 2]
            return count, rest
    return otherwise, rest


def head(call: Call) -> Generator[Effect, None, int]:
    count, names = _count(call, 10)
    lines, code = yield from _lines_of(call, names)
    call.streams.stdout(b"".join(lines[:count]))
    return code


def tail(call: Call) -> Generator[Effect, None, int]:
    """`-f` stays: `tail -f /dev/null` keeps a container running."""
    count, names = _count(call, 10)
    follow = any(name in ("-f", "-F") for name in names)
    lines, code = yield from _lines_of(call, [name for name in names if not name.startswith("-")])
    call.streams.stdout(b"".join(lines[max(len(lines) - count, 0) :]))
    while follow and not code:
        yield Sleep(None)
    return code


def wc(call: Call) -> Generator[Effect, None, int]:
    letters, names = call.options()
    data, code = yield from _inputs(call, names)
    counts = {"l": data.count(b"\n"), "w": len(data.split()), "c": len(data)}
    shown = [str(counts[letter]) for letter in "lwc" if letter in letters or not letters]
    call.write(" ".join([*shown, *names[:1]]) + "\n")
    return code


def grep(call: Call) -> Generator[Effect, None, int]:
    letters, names = call.options()
    if not names:
        return call.complain("usage: grep [-ivqcFE] PATTERN [FILE]...", 2)
    pattern, *names = names
    text = re2.escape(pattern) if "F" in letters else pattern
    try:
        matching = re2.compile(("(?i)" if "i" in letters else "") + text)
    except re2.error:
        return call.complain(f"bad regex '{pattern[:100]}'", 2)
    lines, code = yield from _lines_of(call, names)
    inverted = "v" in letters
    texts = ((one, one.decode(errors="replace").rstrip("\n")) for one in lines)
    chosen = [one for one, plain in texts if bool(matching.search(plain)) != inverted]
    if "c" in letters:
        call.write(f"{len(chosen)}\n")
    elif "q" not in letters:
        call.streams.stdout(b"".join(one if one.endswith(b"\n") else one + b"\n" for one in chosen))
    return 2 if code else int(not chosen)


def sort(call: Call) -> Generator[Effect, None, int]:
    letters, names = call.options()
    lines, code = yield from _lines_of(call, names)
    ordered = sorted((one.rstrip(b"\n") for one in lines), reverse="r" in letters)
    unique = list(dict.fromkeys(ordered)) if "u" in letters else ordered
    call.streams.stdout(b"".join(one + b"\n" for one in unique))
    return code


def tr(call: Call) -> Generator[Effect, None, int]:
    letters, names = call.options()
    if len(names) < (1 if "d" in letters else 2):
        return call.complain("usage: tr [-d] STRING1 [STRING2]")
    before = _characters(names[0])
    after = b"" if "d" in letters else _characters(names[1])
    after = after.ljust(len(before), after[-1:]) if after else b""
    data = yield from call.streams.stdin.rest()
    table = bytes.maketrans(before, after[: len(before)]) if after else None
    call.streams.stdout(data.translate(table) if table else data.translate(None, before))
    return 0


def _characters(text: str) -> bytes:
    def span(match: re.Match[bytes]) -> bytes:
        return bytes(range(match[1][0], match[2][0] + 1)) or match[0]

    return re.sub(rb"(.)-(.)", span, escaped(text), flags=re.S)


def tee(call: Call) -> Generator[Effect, None, int]:
    letters, names = call.options()
    data = yield from call.streams.stdin.rest()
    call.streams.stdout(data)
    files, now = call.inside.files, call.inside.now()
    return call.each(names, lambda path: files.write(path, data, now, append="a" in letters))


def seq(call: Call) -> int:
    numbers = [int(a) for a in call.arguments if re.fullmatch(r"-?\d{1,9}", a)]
    if len(numbers) != len(call.arguments) or not 1 <= len(numbers) <= 3:
        return call.complain("usage: seq [FIRST [INC]] LAST")
    first, step, last = numbers[0] if len(numbers) > 1 else 1, numbers[1] if len(numbers) > 2 else 1, numbers[-1]
    if step == 0:
        return call.complain("increment is zero")
    chosen = range(first, last + (1 if step > 0 else -1), step)[:MOST_NUMBERS]
    call.write("".join(f"{number}\n" for number in chosen))
    return 0


def yes(call: Call) -> Generator[Effect, None, int]:
    while True:
        call.write(" ".join(call.arguments or ["y"]) + "\n")
        yield Sleep(1.0)


def basename(call: Call) -> int:
    return _path_part(call, lambda path: path.rstrip("/").rpartition("/")[2] or "/")


def dirname(call: Call) -> int:
    return _path_part(call, lambda path: path.rstrip("/").rpartition("/")[0] or ("/" if path.startswith("/") else "."))


def _path_part(call: Call, part: Callable[[str], str]) -> int:
    if not call.arguments:
        return call.complain("missing operand")
    call.write(part(call.arguments[0]) + "\n")
    return 0


def base64(call: Call) -> Generator[Effect, None, int]:
    import base64 as codec
    import binascii

    letters, names = call.options()
    data, code = yield from _inputs(call, names)
    try:
        encoded = codec.b64decode(data) if "d" in letters else codec.encodebytes(data)
    except binascii.Error:
        return call.complain("truncated input")
    call.streams.stdout(encoded)
    return code
