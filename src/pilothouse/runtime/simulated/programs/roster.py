"""All programs of simulated containers, by name."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.runtime.simulated.programs import condition, filing, system, text
from pilothouse.runtime.simulated.programs.call import Program
from pilothouse.runtime.simulated.programs.tar import tar

PROGRAMS: Mapping[str, Program] = {
    "[": condition.test,
    "base64": text.base64,
    "basename": text.basename,
    "cat": text.cat,
    "chmod": filing.chmod,
    "cp": filing.cp,
    "date": system.date,
    "dirname": text.dirname,
    "echo": text.echo,
    "env": system.env,
    "false": system.false,
    "grep": text.grep,
    "head": text.head,
    "hostname": system.hostname,
    "id": system.identity,
    "ls": filing.ls,
    "mkdir": filing.mkdir,
    "mv": filing.mv,
    "printenv": system.printenv,
    "printf": text.printf,
    "pwd": system.pwd,
    "readlink": filing.readlink,
    "rm": filing.rm,
    "rmdir": filing.rmdir,
    "seq": text.seq,
    "sleep": system.sleep,
    "sort": text.sort,
    "sync": system.true,
    "tail": text.tail,
    "tar": tar,
    "tee": text.tee,
    "test": condition.test,
    "touch": filing.touch,
    "tr": text.tr,
    "true": system.true,
    "uname": system.uname,
    "wc": text.wc,
    "whoami": system.whoami,
    "yes": text.yes,
}
