"""The budget checker: sizes of files, functions and classes, names, and broad excepts. Exits 1 on a breach.

Exceptions stand in `tools/budget_exceptions.txt`, one `path[:name]` a line; that list may only shrink.
"""

from __future__ import annotations

import ast
import pathlib
import statistics
import sys
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src/pilothouse"
FILE_RED, FUNCTION_RED, CLASS_LINES, CLASS_METHODS, PARAMETERS = 800, 80, 300, 20, 7
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
FORBIDDEN_CALLS = {"asyncio.sleep", "asyncio.create_task", "asyncio.ensure_future", "datetime.now", "datetime.utcnow"}
# What follows links, or takes a path twice: in the kubelet, `safepath` alone may touch what containers write to.
PATH_CALLS = {"shutil.rmtree", "os.walk", "os.fwalk", "os.chmod", "os.chown", "os.path.ismount", "os.path.realpath"}
PATH_METHODS = {"resolve", "rglob", "chmod"}
DOOR_KEEPERS = {"src/pilothouse/testing/clock.py"}
BROAD_ALLOWED = {"src/pilothouse/kit/guard.py", "src/pilothouse/kit/tasks.py", "src/pilothouse/__main__.py"}


def generated(path: pathlib.Path) -> bool:
    parts = path.relative_to(SOURCE).parts
    return parts[:2] == ("api", "types") or "generated" in parts


def size(node: ast.AST) -> int:
    start, end = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
    return int(end) - int(start) + 1


def line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Positional parameters; keyword-only ones explain themselves at the call."""
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    return len([n for n in names if n not in ("self", "cls")])


def doors(where: str, tree: ast.Module) -> Iterator[str]:
    """Time, chance and tasks are had from kit alone."""
    if where.startswith("src/pilothouse/kit/"):
        return
    yield from path_doors(where, tree)
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            if name in ("time", "random", "secrets"):
                yield f"{where}:{line(node)}: imports {name} (use kit.clock, kit.random)"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            called = f"{node.value.id}.{node.attr}"
            if called in FORBIDDEN_CALLS and where not in DOOR_KEEPERS:
                yield f"{where}:{node.lineno}: {called} (use kit.clock, kit.tasks)"


def path_doors(where: str, tree: ast.Module) -> Iterator[str]:
    """Paths that containers may have had their hands in are the affair of kubelet/safepath alone."""
    if not where.startswith("src/pilothouse/kubelet/") or where.startswith("src/pilothouse/kubelet/safepath/"):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        called = ast.unparse(node.func)
        if called in PATH_CALLS or node.func.attr in PATH_METHODS:
            yield f"{where}:{node.lineno}: {called} (use kubelet.safepath)"


def breaches_in(path: pathlib.Path, tree: ast.Module, lines: int) -> Iterator[str]:
    where = path.relative_to(ROOT).as_posix()
    if lines > FILE_RED:
        yield f"{where}: {lines} lines (red line {FILE_RED})"
    if path.stem in FORBIDDEN_NAMES:
        yield f"{where}: a name that says nothing"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if size(node) > FUNCTION_RED:
                yield f"{where}:{node.name}: {size(node)} lines (red line {FUNCTION_RED})"
            if parameters(node) > PARAMETERS:
                yield f"{where}:{node.name}: {parameters(node)} parameters (at most {PARAMETERS})"
        elif isinstance(node, ast.ClassDef):
            methods = sum(isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef) for m in node.body)
            if size(node) > CLASS_LINES:
                yield f"{where}:{node.name}: {size(node)} lines (at most {CLASS_LINES})"
            if methods > CLASS_METHODS:
                yield f"{where}:{node.name}: {methods} methods (at most {CLASS_METHODS})"
        elif isinstance(node, ast.ExceptHandler) and where not in BROAD_ALLOWED:
            caught = ast.unparse(node.type) if node.type else "everything"
            if caught in ("everything", "Exception", "BaseException"):
                yield f"{where}:{node.lineno}: except {caught} (translate typed errors, or let kit.guard or kit.tasks hear of it)"


def percentile(values: list[int], share: float) -> int:
    return sorted(values)[int(len(values) * share)] if values else 0


def main() -> int:
    exceptions_file = ROOT / "tools/budget_exceptions.txt"
    allowed = [line.split("#")[0].strip() for line in exceptions_file.read_text().splitlines()]
    allowed = [line for line in allowed if line]
    files, functions, found = [], [], []
    for path in sorted(SOURCE.rglob("*.py")):
        if generated(path):
            continue
        text = path.read_text()
        tree, lines = ast.parse(text), text.count("\n")
        if lines:
            files.append(lines)
        functions += [size(n) for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        found += [*breaches_in(path, tree, lines), *doors(path.relative_to(ROOT).as_posix(), tree)]
    unused = [entry for entry in allowed if not any(b.startswith(entry + ":") for b in found)]
    breaches = [b for b in found if not any(b.startswith(entry + ":") for entry in allowed)]
    breaches += [f"tools/budget_exceptions.txt: {entry} needs no exception any more" for entry in unused]
    if (p95 := percentile(files, 0.95)) > 500:
        breaches.append(f"files: 95 % have at most {p95} lines (500)")
    if (p95 := percentile(functions, 0.95)) > 45:
        breaches.append(f"functions: 95 % have at most {p95} lines (45)")
    print(
        f"{len(files)} files, median {int(statistics.median(files))} lines; {len(functions)} functions, "
        f"median {int(statistics.median(functions))}, p95 {percentile(functions, 0.95)}"
    )
    for breach in breaches:
        print(breach, file=sys.stderr)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
