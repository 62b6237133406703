"""The pause image, made here: a static program of 200 bytes that holds a pod's namespaces and reaps its orphans.

The program blocks every signal and waits for them one by one: SIGCHLD makes it reap, SIGINT and SIGTERM end it.
Blocked signals need no handlers, reach PID 1 too, and cost no race.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import struct
import tarfile

# x86-64, position independent; the comments are the assembly.
_X86_64 = bytes.fromhex(
    "b80e000000"  # mov eax, 14             rt_sigprocmask
    "31ff"  # xor edi, edi                  SIG_BLOCK
    "488d3556000000"  # lea rsi, [rip+0x56] the set of all signals, behind the code
    "31d2"  # xor edx, edx
    "41ba08000000"  # mov r10d, 8
    "0f05"  # syscall
    "b880000000"  # wait: mov eax, 128      rt_sigtimedwait
    "488d3d40000000"  # lea rdi, [rip+0x40]
    "31f6"  # xor esi, esi
    "31d2"  # xor edx, edx
    "41ba08000000"  # mov r10d, 8
    "0f05"  # syscall
    "83f811"  # cmp eax, 17                 SIGCHLD
    "740c"  # je reap
    "83f802"  # cmp eax, 2                  SIGINT
    "7421"  # je exit
    "83f80f"  # cmp eax, 15                 SIGTERM
    "741c"  # je exit
    "ebd7"  # jmp wait
    "b83d000000"  # reap: mov eax, 61       wait4
    "83cfff"  # or edi, -1
    "31f6"  # xor esi, esi
    "ba01000000"  # mov edx, 1              WNOHANG
    "4531d2"  # xor r10d, r10d
    "0f05"  # syscall
    "85c0"  # test eax, eax
    "7fe8"  # jg reap
    "ebbd"  # jmp wait
    "b83c000000"  # exit: mov eax, 60
    "31ff"  # xor edi, edi
    "0f05"  # syscall
)
# The same for AArch64.
_AARCH64 = struct.pack(
    "<31I",
    0xD28010E8,  # mov x8, 135              rt_sigprocmask
    0xD2800000,  # mov x0, 0
    0x100003A1,  # adr x1, set
    0xD2800002,  # mov x2, 0
    0xD2800103,  # mov x3, 8
    0xD4000001,  # svc 0
    0xD2801128,  # wait: mov x8, 137        rt_sigtimedwait
    0x10000300,  # adr x0, set
    0xD2800001,  # mov x1, 0
    0xD2800002,  # mov x2, 0
    0xD2800103,  # mov x3, 8
    0xD4000001,  # svc 0
    0x7100441F,  # cmp w0, 17
    0x540000C0,  # b.eq reap
    0x7100081F,  # cmp w0, 2
    0x540001A0,  # b.eq exit
    0x71003C1F,  # cmp w0, 15
    0x54000160,  # b.eq exit
    0x17FFFFF4,  # b wait
    0xD2802088,  # reap: mov x8, 260        wait4
    0x92800000,  # mov x0, -1
    0xD2800001,  # mov x1, 0
    0xD2800022,  # mov x2, 1                WNOHANG
    0xD2800003,  # mov x3, 0
    0xD4000001,  # svc 0
    0xF100001F,  # cmp x0, 0
    0x54FFFF2C,  # b.gt reap
    0x17FFFFEB,  # b wait
    0xD2800BA8,  # exit: mov x8, 93
    0xD2800000,  # mov x0, 0
    0xD4000001,  # svc 0
)

_ALL_SIGNALS = b"\xff" * 8
MACHINES = {"x86_64": ("amd64", 62, _X86_64), "aarch64": ("arm64", 183, _AARCH64)}
_BASE, _HEADERS = 0x400000, 64 + 56


class UnknownMachine(Exception):
    """There is no pause program for this kind of processor."""


def program(machine: str) -> bytes:
    """The ELF executable for a machine as `uname -m` names it. Raises UnknownMachine."""
    if machine not in MACHINES:
        raise UnknownMachine(f"no pause program for {machine} (there is one for {', '.join(MACHINES)})")
    _, elf_machine, code = MACHINES[machine]
    body = code + _ALL_SIGNALS
    size = _HEADERS + len(body)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, elf_machine, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + body


def _tar(entries: dict[str, tuple[bytes, int]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, (data, mode) in entries.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def archive(name: str, machine: str = "") -> bytes:
    """A docker archive of the pause image called `name`, the same bytes every time. Raises UnknownMachine."""
    machine = machine or platform.machine()
    layer = _tar({"pause": (program(machine), 0o755)})
    config = {
        "architecture": MACHINES[machine][0],
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535", "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "history": [{"created_by": "pilothouse"}],
    }
    text = json.dumps(config, sort_keys=True).encode()
    config_name = hashlib.sha256(text).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    return _tar(
        {
            "layer.tar": (layer, 0o644),
            config_name: (text, 0o644),
            "manifest.json": (json.dumps(manifest).encode(), 0o644),
        }
    )
