"""The garbage collector: `graph` knows who owns whom, `decide` what to do about an object, `shell` watches and acts."""

from pilothouse.controllers.garbage.shell import build

__all__ = ["build"]
