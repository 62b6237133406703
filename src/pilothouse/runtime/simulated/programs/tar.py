"""`tar`, as `kubectl cp` calls it: `tar cf - PATH...` and `tar xf - -C FOLDER`."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Generator

from pilothouse.runtime.simulated.effects import Effect
from pilothouse.runtime.simulated.files import LARGEST_TREE, FileFailure, Files
from pilothouse.runtime.simulated.programs.call import Call


def tar(call: Call) -> Generator[Effect, None, int]:
    """Makes or unpacks an archive of files and folders, by stdin and stdout or a file."""
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
            return _pack(call, folder, archive, names)
        if "x" in letters or "t" in letters:
            stdin = (yield from call.streams.stdin.rest()) if archive == "-" else b""
            data = stdin if archive == "-" else call.inside.files.read(call.path(archive))
            return _unpack(call, folder, data, list_only="t" in letters)
    except FileFailure as failure:
        return call.complain(f"{archive}: {failure.reason}")
    except tarfile.TarError as failure:
        return call.complain(f"invalid tar header: {failure}")
    return call.complain("must specify one of 'c', 't', 'x'")


def _pack(call: Call, folder: str, archive: str, names: list[str]) -> int:
    files, written, code = call.inside.files, io.BytesIO(), 0
    with tarfile.open(fileobj=written, mode="w") as made:
        for name in names:
            path = Files.absolute(name, folder)
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
                if written.tell() > 2 * LARGEST_TREE:
                    return call.complain(f"{name}: File too large")
                made.addfile(info, None if entry.data is None else io.BytesIO(entry.data))
    if archive == "-":
        call.streams.stdout(written.getvalue())
    else:
        files.write(call.path(archive), written.getvalue(), call.inside.now())
    return code


def _unpack(call: Call, folder: str, data: bytes, *, list_only: bool) -> int:
    files, now = call.inside.files, call.inside.now()
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
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
            files.write(target, content.read(), now, mode=member.mode)
    return 0
