"""`tar`, as `kubectl cp` calls it: `tar cf - PATH...` and `tar xf - -C FOLDER`."""

from __future__ import annotations

import io
import tarfile

from pilothouse.runtime.simulated.cgroup import COPIED, Account
from pilothouse.runtime.simulated.effects import Steps
from pilothouse.runtime.simulated.files import LARGEST_TREE, FileFailure, Files
from pilothouse.runtime.simulated.programs.call import Call

# What a member of an archive takes beside its content, and in microseconds.
MEMBER, PRICE = 2000, 100.0


def tar(call: Call) -> Steps:
    """Makes or unpacks an archive of files and folders, by stdin and stdout or a file."""
    with call.inside.cgroup.holding() as account:
        return (yield from _tar(call, account))


def _tar(call: Call, account: Account) -> Steps:
    arguments = list(call.arguments)
    letters, folder, archive, names = "", call.folder, "-", []
    if arguments and not arguments[0].startswith("-"):
        arguments[0] = f"-{arguments[0]}"
    while arguments:
        argument = arguments.pop(0)
        if argument == "-C" and arguments:
            folder = Files.absolute(arguments.pop(0), call.folder)
        elif argument.startswith("-") and not argument.startswith("--") and argument != "-":
            letters += argument[1:]
            if argument.endswith("f") and arguments:
                archive = arguments.pop(0)
        elif not argument.startswith("--"):
            names.append(argument)
    try:
        if "c" in letters:
            return (yield from _pack(call, folder, archive, names, account))
        if "x" in letters or "t" in letters:
            if archive == "-":
                data = yield from call.streams.stdin.rest()
            else:
                data = yield from call.read(call.path(archive))
            account.add(len(data))
            return (yield from _unpack(call, folder, data, account, list_only="t" in letters))
    except FileFailure as failure:
        return call.complain(f"{archive}: {failure.reason}")
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as failure:
        return call.complain(f"invalid tar header: {failure}")
    return call.complain("must specify one of 'c', 't', 'x'")


def _pack(call: Call, folder: str, archive: str, names: list[str], account: Account) -> Steps:
    files, written, code = call.inside.files, io.BytesIO(), 0
    with tarfile.open(fileobj=written, mode="w") as made:
        for name in names:
            path = Files.absolute(name, folder)
            yield from call.pace(10 + files.price)
            if files.entry(path) is None:
                code = call.complain(f"{name}: No such file or directory")
            for one in files.below(path):
                entry = files.entry(one)
                if entry is None:
                    continue
                inside = (name.lstrip("/").rstrip("/") + one[len(path) :]) or "."
                info = tarfile.TarInfo(inside)
                info.mode, info.mtime = entry.mode, int(entry.modified)
                info.type = tarfile.DIRTYPE if entry.data is None else tarfile.REGTYPE
                info.size = len(entry.data or b"")
                account.add(2 * tarfile.BLOCKSIZE + info.size + MEMBER)
                yield from call.pace(PRICE + info.size * COPIED)
                made.addfile(info, None if entry.data is None else io.BytesIO(entry.data))
    if archive == "-":
        account.add(written.tell())
        yield from call.put(written.getvalue())
    else:
        files.write(call.path(archive), written.getvalue(), call.inside.now())
    return code


def _unpack(call: Call, folder: str, data: bytes, account: Account, *, list_only: bool) -> Steps:
    files, now = call.inside.files, call.inside.now()
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        while True:
            account.add(MEMBER)
            yield from call.pace(PRICE)
            member = archive.next()
            if member is None:
                break
            if list_only:
                call.write(f"{member.name}\n")
                continue
            path = Files.absolute(member.name.lstrip("/"), "/")
            target = folder.rstrip("/") + path if path != "/" else folder
            if member.isdir():
                files.make_folder(target, now, parents=True, mode=member.mode)
                continue
            content = archive.extractfile(member) if member.isfile() and member.size <= LARGEST_TREE else None
            if content is None:
                return call.complain(f"{member.name}: can't be unpacked here: it is no file, or too large")
            above = target.rpartition("/")[0] or "/"
            files.make_folder(above, now, parents=True)
            with call.inside.cgroup.holding(member.size):
                yield from call.pace(PRICE + member.size * COPIED)
                files.write(target, content.read(), now, mode=member.mode)
    return 0
