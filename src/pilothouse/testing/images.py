"""Container images without a registry or a builder: docker archives made of files of this machine.

For demonstrations and tests. A layer is deterministic: the same files give the same image id.
"""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import subprocess
import tarfile
from collections.abc import Mapping, Sequence

BUSYBOX = pathlib.Path("/bin/busybox")
BUSYBOX_PACKAGE = "busybox-static"


def _file(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))


def _directory(archive: tarfile.TarFile, name: str, mode: int = 0o755) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def _link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
    archive.addfile(entry)


def busybox_layer(files: Mapping[str, bytes], busybox: pathlib.Path = BUSYBOX) -> bytes:
    """A root file system: the statically linked busybox with all its applets, and `files` (path to content; those
    below bin/ are executable). Raises FileNotFoundError if this machine has no busybox."""
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for name in ("bin", "etc", "proc", "sys", "dev", "root", "var", "www"):
            _directory(layer, name)
        _directory(layer, "tmp", 0o1777)
        _file(layer, "bin/busybox", busybox.read_bytes(), 0o755)
        for applet in sorted(set(applets) - {"busybox"}):
            _link(layer, f"bin/{applet}", "/bin/busybox")
        _file(layer, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n")
        _file(layer, "etc/group", b"root:x:0:\nnobody:x:65534:\n")
        for path, data in sorted(files.items()):
            _file(layer, path, data, 0o755 if path.startswith("bin/") else 0o644)
    return buffer.getvalue()


def docker_archive(names: Sequence[str], layer: bytes, config: Mapping[str, object]) -> bytes:
    """An archive as `docker save` writes it: one image of one layer under `names`."""
    digest = hashlib.sha256(layer).hexdigest()
    image = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z"}],
        },
        sort_keys=True,
    ).encode()
    image_id = hashlib.sha256(image).hexdigest()
    manifest = [{"Config": f"{image_id}.json", "RepoTags": list(names), "Layers": [f"{digest}/layer.tar"]}]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        _file(archive, f"{image_id}.json", image)
        _directory(archive, digest)
        _file(archive, f"{digest}/layer.tar", layer)
        _file(archive, "manifest.json", json.dumps(manifest).encode())
    return buffer.getvalue()


def busybox_image(
    path: pathlib.Path,
    names: Sequence[str],
    command: Sequence[str] = ("/bin/sh",),
    files: Mapping[str, bytes] | None = None,
) -> pathlib.Path:
    """Write a docker archive of busybox (with `files` in it) under `names`; the path."""
    config = {"Cmd": list(command), "Env": ["PATH=/bin"], "WorkingDir": "/"}
    path.write_bytes(docker_archive(names, busybox_layer(files or {}), config))
    return path
