"""Make the demonstration's image from this machine's busybox: a web server that says which pod it is."""

from __future__ import annotations

import pathlib
import sys

from pilothouse.testing.images import busybox_image

HELLO = b"""#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
cat /content/greeting.txt
echo "from $HOSTNAME on $NODE"
"""
SERVE = b"""#!/bin/sh
mkdir -p /tmp/www/cgi-bin
cp /content/* /tmp/www/
cp /bin/hello /tmp/www/cgi-bin/hello
exec httpd -f -p 8080 -h /tmp/www
"""


def main() -> None:
    busybox_image(
        pathlib.Path(sys.argv[1]),
        ["pilothouse.example/web:1"],
        ("/bin/serve",),
        {"bin/serve": SERVE, "bin/hello": HELLO},
    )


if __name__ == "__main__":
    main()
