"""Add up pytest's JUnit reports: the last line is `N passed, N failed` (and `, N skipped`). Exits 1 on a failure or if
no test ran."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as xml


def main() -> int:
    passed = failed = skipped = 0
    for name in sys.argv[1:]:
        for suite in xml.parse(name).iter("testsuite"):
            count = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
            bad = count["failures"] + count["errors"]
            failed += bad
            skipped += count["skipped"]
            passed += count["tests"] - bad - count["skipped"]
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
