"""Runs commands as processes that begin with everything imported: it imports once and forks for each.

A line of JSON in (arguments, environment), a line out (exit code, what it said). What a command costs is mostly its
imports, and a test of a dozen wrong values would otherwise spend half a minute on them.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from importlib import import_module
from typing import IO, Any

import msgspec

from gateway.cli import COMMANDS, main


def run(arguments: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Fork, and let the child be the command."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            become(arguments, environment, out, err)
        _, status = os.waitpid(pid, 0)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return {"code": os.waitstatus_to_exitcode(status), "out": said[0], "err": said[1]}


def become(arguments: list[str], environment: dict[str, str], out: IO[bytes], err: IO[bytes]) -> None:
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    code = 1
    try:
        main(arguments, prog_name="tollbridge")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    for place in COMMANDS.values():
        import_module(place.partition(":")[0])
    for line in sys.stdin.buffer:
        arguments, environment = msgspec.json.decode(line, type=tuple[list[str], dict[str, str]])
        answer = msgspec.json.encode(run(arguments, environment))
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve()
