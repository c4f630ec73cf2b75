"""The server's settings, as options of its command line.

Not as a file: root would have to write it into a directory that belongs to the account it hands the server to.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from db.embedded.place import PORT

NAME = re.compile(r"[a-z_][a-z0-9_.]*")


def options(sockets: Path, extra: Mapping[str, str]) -> str:
    """For `pg_ctl -o`, quoted for the shell it uses; raises ValueError for what cannot be a setting."""
    settings = {
        "listen_addresses": "",
        "port": str(PORT),
        # A list: quoted so that commas and blanks in the path stay part of it.
        "unix_socket_directories": '"' + str(sockets).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %a ",
        **extra,
    }
    for name in settings:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no PostgreSQL setting")
    return " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
