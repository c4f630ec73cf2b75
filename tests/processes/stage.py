"""Everything that `tollbridge dev` runs, in a process of its own: for tests that kill parts of it.

    python -m tests.processes.stage GATEWAY STRIPE PRACTICE SHOP

The arguments are the addresses; the home and the rest come from the environment. Prints one line of JSON when all is
ready, and stops everything in order when its standard input ends. It runs apart from the tests because wiring uses the
database engine, of which a process has one.
"""

from __future__ import annotations

import sys
from typing import Final

import msgspec

from gateway.cli.dev import launched
from gateway.cli.home import make_keys
from gateway.cli.wiring import Wired
from gateway.settings import load_settings

ROLES: Final = ("gateway", "stripe", "practice", "shop")
CHILDREN: Final = ("sandbox", "serve", "work", "shop")


class Staged(msgspec.Struct, frozen=True):
    """What a test is told: the process ids by name, and what further processes of the same house need."""

    wired: Wired
    database_url: str
    pids: dict[str, int]
    environment: dict[str, str]


def main() -> None:
    """Run until the standard input ends."""
    urls = dict(zip(ROLES, sys.argv[1:], strict=True))
    settings = msgspec.structs.replace(load_settings(), port=int(urls["gateway"].rpartition(":")[2]))
    with launched(settings, urls) as (tree, wired, found):
        staged = Staged(
            wired=wired,
            database_url=found.database_url,
            pids={name: tree.child(name).pid for name in CHILDREN},
            environment={**make_keys(settings.home_path).environment(), "TOLLBRIDGE_DATABASE_URL": found.database_url},
        )
        print(msgspec.json.encode(staged).decode(), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
