"""Programs that look at and change files."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime

from pilothouse.runtime.simulated.effects import Effect, Steps
from pilothouse.runtime.simulated.files import Entry, FileFailure
from pilothouse.runtime.simulated.programs.call import Call


def ls(call: Call) -> Steps:
    letters, names = call.options()
    code = 0
    for name in names or ["."]:
        path = call.path(name)
        yield from call.pace(10 + call.inside.files.price)
        try:
            shown = [name] if "d" in letters else call.inside.files.listing(path)
        except FileFailure as failure:
            code = call.complain(f"{name}: {failure.reason}")
            continue
        shown = shown if "a" in letters else [n for n in shown if not n.startswith(".")]
        if len(names) > 1 and "d" not in letters:
            call.write(f"{name}:\n")
        for one in shown:
            yield from call.pace(12)
            entry = call.inside.files.entry(call.path(f"{name}/{one}")) or call.inside.files.entry(path)
            call.write(f"{_long(one, entry)}\n" if "l" in letters and entry is not None else f"{one}\n")
    return code


def _long(name: str, entry: Entry) -> str:
    bits = "".join(letter if entry.mode >> (8 - at) & 1 else "-" for at, letter in enumerate("rwxrwxrwx"))
    when = datetime.fromtimestamp(entry.modified, UTC).strftime("%b %e %H:%M")
    return (
        f"{'d' if entry.data is None else '-'}{bits}    1 root     root     {len(entry.data or b''):>9} {when} {name}"
    )


def touch(call: Call) -> Steps:
    _, names = call.options()
    files, now = call.inside.files, call.inside.now()

    def make(path: str) -> None:
        entry = files.entry(path)
        if entry is None:
            files.write(path, b"", now)
        else:
            entry.modified = now

    return (yield from call.each(names, make))


def rm(call: Call) -> Steps:
    letters, names = call.options()
    files = call.inside.files
    tree, force = "r" in letters or "R" in letters, "f" in letters

    def take(path: str) -> Generator[Effect, None, None]:
        yield from call.pace(files.price if tree else 0)
        if not (force and files.entry(path) is None):
            files.remove(path, tree=tree)

    return (yield from call.each(names, take, "can't remove"))


def rmdir(call: Call) -> Steps:
    _, names = call.options()
    files = call.inside.files

    def take(path: str) -> Generator[Effect, None, None]:
        yield from call.pace(2 * files.price)
        if files.listing(path):
            raise FileFailure("Directory not empty")
        files.remove(path, tree=True)

    return (yield from call.each(names, take))


def mkdir(call: Call) -> Steps:
    letters, names = call.options()
    files, now = call.inside.files, call.inside.now()
    return (
        yield from call.each(
            names, lambda path: files.make_folder(path, now, parents="p" in letters), "can't create directory"
        )
    )


def cp(call: Call) -> Steps:
    letters, names = call.options()
    return (yield from _transfer(call, names, tree="r" in letters or "a" in letters or "R" in letters, move=False))


def mv(call: Call) -> Steps:
    _, names = call.options()
    return (yield from _transfer(call, names, tree=True, move=True))


def _transfer(call: Call, names: list[str], *, tree: bool, move: bool) -> Steps:
    if len(names) < 2:
        return call.complain("missing file operand")
    files, now = call.inside.files, call.inside.now()
    target = call.path(names[-1])

    def transfer(source: str) -> Generator[Effect, None, None]:
        yield from call.pace(3 * files.price)
        entry, there = files.entry(target), target
        if entry is not None and entry.data is None:
            there = f"{target.rstrip('/')}/{source.rpartition('/')[2]}"
        first = files.entry(source)
        if first is None:
            raise FileFailure("No such file or directory")
        if first.data is None and not tree:
            raise FileFailure("omitting directory")
        if f"{there}/".startswith(f"{source}/"):
            raise FileFailure("cannot be put into itself")
        for name in list(files.below(source)):
            one = files.entry(name)
            yield from call.pace(15)
            if one is not None and one.data is None:
                files.make_folder(there + name[len(source) :], now, parents=True, mode=one.mode)
            elif one is not None:
                files.write(there + name[len(source) :], one.data or b"", now, mode=one.mode)
        if move:
            files.remove(source, tree=True)

    return (yield from call.each(names[:-1], transfer))


def chmod(call: Call) -> Steps:
    """Octal modes, and `+x`."""
    _, names = call.options()
    if len(names) < 2:
        return call.complain("missing operand")
    mode, *paths = names
    files = call.inside.files

    def change(path: str) -> None:
        entry = files.entry(path)
        added = 0o111 if mode.endswith("+x") else 0
        octal = mode if mode.isascii() and mode.isdigit() and not set(mode) & set("89") else ""
        files.change_mode(path, int(octal, 8) & 0o7777 if octal else (entry.mode if entry else 0) | added)

    return (yield from call.each(paths, change))


def readlink(call: Call) -> int:
    """There are no links here: with `-f` a path is what it leads to."""
    letters, names = call.options()
    if "f" not in letters or not names:
        return 1
    call.write(f"{call.path(names[0])}\n")
    return 0
