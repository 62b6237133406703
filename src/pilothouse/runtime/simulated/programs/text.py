"""Programs that write and sift text."""

from __future__ import annotations

import base64 as codec
import binascii
import heapq
import itertools
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial

from pilothouse.runtime.simulated import patterns
from pilothouse.runtime.simulated.cgroup import COPIED, DECODED, LONGEST_STEP, OBJECT, Account
from pilothouse.runtime.simulated.effects import Effect, Sleep, Steps
from pilothouse.runtime.simulated.programs.call import PIECE, Call

# Lines, numbers or the like that are worked on between two looks at the time.
BATCH = 256
# Characters of an argument that may be a number.
LONGEST_NUMBER = 400
# A whole number of lines of base64.
_ENCODED_AT_ONCE = 57 * 256
# Microseconds for a character with its escapes looked at.
_ESCAPED = 0.3
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


def echo(call: Call) -> Steps:
    arguments = list(call.arguments)
    letters = ""
    while arguments and re.fullmatch(r"-[neE]+", arguments[0]):
        letters += arguments.pop(0)[1:]
    text = " ".join(arguments)
    if "e" in letters:
        yield from call.pace(min(len(text) * _ESCAPED, LONGEST_STEP))
    data = escaped(text) if "e" in letters else text.encode()
    yield from call.put(data + (b"" if "n" in letters else b"\n"))
    return 0


def printf(call: Call) -> Steps:
    """The format is used again as long as there are arguments."""
    if not call.arguments:
        return call.complain("usage: printf FORMAT [ARG]...")
    pattern, *values = call.arguments
    with call.inside.cgroup.holding() as account:
        rest, output = iter(values), bytearray()
        left = len(values)
        while True:
            before, at = left, 0
            for match in _DIRECTIVE.finditer(pattern):
                value = next(rest, None) if match[4] is not None else None
                left -= value is not None
                made = escaped(pattern[at : match.start()]) + escaped(_formatted(match, value or ""))
                at = match.end()
                account.add(len(made))
                output += made
                yield from call.pace(40 + len(made) * _ESCAPED)
            output += escaped(pattern[at:])
            yield from call.pace(10 + (len(pattern) - at) * _ESCAPED)
            if not left or left == before:
                break
        yield from call.put(bytes(output))
    return 0


def _formatted(match: re.Match[str], value: str) -> str:
    if match[4] is None:
        return "%"
    flags, width, precision, kind = match[1], match[2], match[3], match[4]
    if kind in "sbc":
        text = value[:1] if kind == "c" else value
        text = text[: int(precision or 0)] if precision is not None else text
        return text.ljust(int(width or 0)) if "-" in flags else text.rjust(int(width or 0))
    kind = "d" if kind in "iu" else kind
    return f"%{flags}{width}{'.' + precision if precision is not None else ''}{kind}" % _number(value, kind)


def _number(value: str, kind: str) -> float:
    """As much as fits into 64 bits; what is no number counts as 0."""
    try:
        number = float(value[:LONGEST_NUMBER]) if kind == "f" else int(value[:LONGEST_NUMBER], 0)
    except ValueError:
        return 0
    return number if kind == "f" else max(min(number, (1 << 64) - 1), -(1 << 63))


def _inputs(call: Call, names: Sequence[str], account: Account) -> Generator[Effect, None, tuple[bytes, int]]:
    """The content of all files, or of the input; 1 if one could not be read."""
    if not names:
        data = yield from call.streams.stdin.rest()
        account.add(len(data))
        return data, 0
    parts: list[bytes] = []

    def read(path: str) -> Generator[Effect, None, None]:
        data = yield from call.read(path)
        account.add(len(data))
        parts.append(data)

    code = yield from call.each(names, read)
    return b"".join(parts), code


def cat(call: Call) -> Steps:
    """Input goes through as it comes."""
    _, names = call.options()
    if not names or names == ["-"]:
        while data := (yield from call.streams.stdin.chunk()):
            yield from call.put(data)
        return 0

    def show(path: str) -> Generator[Effect, None, None]:
        yield from call.put((yield from call.read(path)))

    return (yield from call.each(names, show, "can't open"))


def _lines_of(data: bytes) -> Iterator[bytes]:
    """Each line with its end, one after the other."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end


def _count(call: Call, otherwise: int) -> tuple[int, list[str]]:
    """`-n N` or `-N`, and the other arguments."""
    rest = list(call.arguments)
    for index, argument in enumerate(rest):
        match = re.fullmatch(r"-n?(\d{1,9})", argument)
        if match:
            del rest[index]
            return int(match[1]), rest
        if argument == "-n" and index + 1 < len(rest) and rest[index + 1].isdecimal():
            count = int(rest[index + 1][:9])
            del rest[index : index + 2]
            return count, rest
    return otherwise, rest


def head(call: Call) -> Steps:
    count, names = _count(call, 10)
    with call.inside.cgroup.holding() as account:
        data, code = yield from _inputs(call, names, account)
        end = 0
        for index in range(count):
            if index % BATCH == 0:
                yield from call.pace(BATCH * 0.5)
            end = data.find(b"\n", end) + 1 or len(data)
            if end == len(data):
                break
        yield from call.put(data[:end])
    return code


def tail(call: Call) -> Steps:
    """`-f` stays: `tail -f /dev/null` keeps a container running."""
    count, names = _count(call, 10)
    follow = any(name in ("-f", "-F") for name in names)
    with call.inside.cgroup.holding() as account:
        data, code = yield from _inputs(call, [name for name in names if not name.startswith("-")], account)
        start = len(data)
        for index in range(count):
            if index % BATCH == 0:
                yield from call.pace(BATCH * 0.5)
            if start == 0:
                break
            start = data.rfind(b"\n", 0, start - 1) + 1
        yield from call.put(data[start:])
    while follow and not code:
        yield Sleep(None)
    return code


def wc(call: Call) -> Steps:
    letters, names = call.options()
    with call.inside.cgroup.holding() as account:
        data, code = yield from _inputs(call, names, account)
        words, inside = 0, False
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            yield from call.pace(10 + len(piece) * DECODED)
            words += len(piece.split()) - (inside and not piece[:1].isspace())
            inside = not piece[-1:].isspace()
        counts = {"l": data.count(b"\n"), "w": words, "c": len(data)}
    shown = [counts[letter] for letter in "lwc" if letter in letters or not letters]
    width = 9 if len(shown) > 1 else 0
    call.write(" ".join([*(f"{count:>{width}}" for count in shown), *names[:1]]) + "\n")
    return code


def grep(call: Call) -> Steps:
    letters, names = call.options()
    if not names:
        return call.complain("usage: grep [-ivqcFE] PATTERN [FILE]...", 2)
    text, *names = names
    yield from call.pace(patterns.price(text))
    try:
        pattern = patterns.extended(text, literal="F" in letters, ignore_case="i" in letters)
    except patterns.BadPattern:
        return call.complain(f"bad regex '{text[:100]}'", 2)
    inverted = "v" in letters
    chosen, output = 0, bytearray()
    with call.inside.cgroup.holding() as account:
        data, code = yield from _inputs(call, names, account)
        for line in _lines_of(data):
            yield from call.pace(2 + len(line) * DECODED + pattern.price(len(line)))
            if pattern.within(line.decode(errors="replace").rstrip("\n")) is inverted:
                continue
            chosen += 1
            if "q" not in letters and "c" not in letters:
                account.add(len(line) + 1)
                output += line if line.endswith(b"\n") else line + b"\n"
        yield from call.put(f"{chosen}\n".encode() if "c" in letters else bytes(output))
    return 2 if code else int(not chosen)


def sort(call: Call) -> Steps:
    letters, names = call.options()
    with call.inside.cgroup.holding() as account:
        data, code = yield from _inputs(call, names, account)
        account.add(data.count(b"\n") * OBJECT + len(data))
        lines = (line.rstrip(b"\n") for line in _lines_of(data))
        sorted_batches: list[list[bytes]] = []
        while batch := list(itertools.islice(lines, 4 * BATCH)):
            yield from call.pace(4 * BATCH)
            sorted_batches.append(sorted(batch, reverse="r" in letters))
        before: bytes | None = None
        for index, line in enumerate(heapq.merge(*sorted_batches, reverse="r" in letters)):
            if index % BATCH == 0:
                yield from call.pace(BATCH * 4)
            if line != before or "u" not in letters:
                call.streams.stdout(line + b"\n")
            before = line
    return code


def tr(call: Call) -> Steps:
    letters, names = call.options()
    if len(names) < (1 if "d" in letters else 2):
        return call.complain("usage: tr [-d] STRING1 [STRING2]")
    yield from call.pace(sum(map(len, names)))
    before = _characters(names[0])
    after = b"" if "d" in letters else _characters(names[1])
    after = after.ljust(len(before), after[-1:]) if after else b""
    table = bytes.maketrans(before, after[: len(before)]) if after else None
    while data := (yield from call.streams.stdin.chunk()):
        yield from call.pace(len(data) * COPIED * 2)
        yield from call.put(data.translate(table) if table else data.translate(None, before))
    return 0


def _characters(text: str) -> bytes:
    def span(match: re.Match[bytes]) -> bytes:
        return bytes(range(match[1][0], match[2][0] + 1)) or match[0]

    return re.sub(rb"(.)-(.)", span, escaped(text), flags=re.S)


def tee(call: Call) -> Steps:
    letters, names = call.options()
    data = yield from call.streams.stdin.rest()
    files, now = call.inside.files, call.inside.now()
    with call.inside.cgroup.holding(len(data)):
        yield from call.put(data)
        return (yield from call.each(names, lambda path: files.write(path, data, now, append="a" in letters)))


def seq(call: Call) -> Steps:
    numbers = [int(a) for a in call.arguments[:4] if re.fullmatch(r"-?\d{1,9}", a)]
    if len(numbers) != len(call.arguments) or not 1 <= len(numbers) <= 3:
        return call.complain("usage: seq [FIRST [INC]] LAST")
    first, step, last = numbers[0] if len(numbers) > 1 else 1, numbers[1] if len(numbers) > 2 else 1, numbers[-1]
    if step == 0:
        return call.complain("increment is zero")
    chosen = range(first, last + (1 if step > 0 else -1), step)
    for start in range(0, len(chosen), BATCH):
        yield from call.put("".join(f"{number}\n" for number in chosen[start : start + BATCH]).encode())
    return 0


def yes(call: Call) -> Steps:
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


def base64(call: Call) -> Steps:
    letters, names = call.options()
    with call.inside.cgroup.holding() as account:
        data, code = yield from _inputs(call, names, account)
        change: Callable[[bytes], bytes] = codec.encodebytes
        size = _ENCODED_AT_ONCE
        if "d" in letters:
            yield from call.pace(len(data) * COPIED)
            data = data.translate(None, b" \t\r\n")
            change, size = partial(codec.b64decode, validate=True), PIECE
        for start in range(0, len(data), size):
            yield from call.pace(size * DECODED)
            try:
                yield from call.put(change(data[start : start + size]))
            except binascii.Error:
                return call.complain("truncated input")
    return code
