"""A small POSIX shell that runs inside a simulated container: parsing, expansion and execution, with no I/O."""
