"""Migrations: once each, in order, by any number of processes, and never rewritten."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from db.errors import DatabaseUnavailableError, MigrationError
from db.migrate import migrate, pending
from tests.database import connected

FIRST = "create table tollbridge.thing (id int primary key);\ninsert into tollbridge.thing values (1);\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_initial.sql").write_text(FIRST)
    (tmp_path / "0002_more.sql").write_text("insert into tollbridge.thing values (2);")
    return tmp_path


async def test_applies_in_order_once(empty_database: str, folder: Path) -> None:
    assert await pending(empty_database, folder) == ["0001_initial", "0002_more", "pgqueuer"]
    assert await migrate(empty_database, folder) == ["0001_initial", "0002_more", "pgqueuer"]
    assert await pending(empty_database, folder) == []
    assert await migrate(empty_database, folder) == []
    async with connected(empty_database) as connection:
        assert await connection.fetchval("select count(*) from tollbridge.thing") == 2
        assert await connection.fetchval("select count(*) from tollbridge_queue.pgqueuer") == 0
        recorded = await connection.fetch("select name, length(sha256), applied_at from tollbridge.migration")
        assert [row["name"] for row in recorded] == ["0001_initial", "0002_more"]


async def test_later_files_are_added(empty_database: str, folder: Path) -> None:
    await migrate(empty_database, folder)
    (folder / "0003_last.sql").write_text("insert into tollbridge.thing values (3);")
    assert await pending(empty_database, folder) == ["0003_last"]
    assert await migrate(empty_database, folder) == ["0003_last"]


async def test_three_processes_at_once_apply_everything_once(empty_database: str, folder: Path) -> None:
    program = (
        "import asyncio, json, sys; from pathlib import Path; from db.migrate import migrate; "
        "print(json.dumps(asyncio.run(migrate(sys.argv[1], Path(sys.argv[2])))))"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, empty_database, str(folder),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]  # fmt: skip
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert sorted(json.loads(out) for out, _ in outputs) == [[], [], ["0001_initial", "0002_more", "pgqueuer"]]


async def test_eight_tasks_at_once(empty_database: str, folder: Path) -> None:
    applied = await asyncio.gather(*(migrate(empty_database, folder) for _ in range(8)))
    assert sum(len(names) for names in applied) == 3


async def test_a_changed_file_is_refused(empty_database: str, folder: Path) -> None:
    await migrate(empty_database, folder)
    (folder / "0001_initial.sql").write_text(FIRST.replace("(1)", "(7)"))
    with pytest.raises(MigrationError, match=r"0001_initial\.sql has changed since it was applied"):
        await migrate(empty_database, folder)
    with pytest.raises(MigrationError):
        await pending(empty_database, folder)


async def test_windows_line_ends_are_no_change(empty_database: str, folder: Path) -> None:
    await migrate(empty_database, folder)
    (folder / "0001_initial.sql").write_bytes(FIRST.replace("\n", "\r\n").encode())
    assert await migrate(empty_database, folder) == []


async def test_a_failing_file_leaves_nothing_and_names_its_line(empty_database: str, folder: Path) -> None:
    (folder / "0002_more.sql").write_text("insert into tollbridge.thing values (2);\n\nselect wrong;\n")
    with pytest.raises(MigrationError, match=r"0002_more\.sql failed and was rolled back: .*wrong.* at line 3"):
        await migrate(empty_database, folder)
    async with connected(empty_database) as connection:
        assert await connection.fetchval("select count(*) from tollbridge.thing") == 1
    (folder / "0002_more.sql").write_text("insert into tollbridge.thing values (2);")
    assert await migrate(empty_database, folder) == ["0002_more", "pgqueuer"]


async def test_a_newer_database_is_accepted(empty_database: str, folder: Path) -> None:
    await migrate(empty_database, folder)
    (folder / "0002_more.sql").unlink()
    assert await migrate(empty_database, folder) == []


@pytest.mark.parametrize("sql", ["begin;\nselect 1;\n", "select 1;\nCOMMIT;\n", "rollback work;", "start transaction;"])
async def test_transaction_control_is_refused(tmp_path: Path, sql: str) -> None:
    (tmp_path / "0001_a.sql").write_text(sql)
    with pytest.raises(MigrationError, match="runs in a transaction that is opened for it"):
        await migrate("postgresql://unused", tmp_path)


async def test_a_plpgsql_block_is_no_transaction_control(empty_database: str, tmp_path: Path) -> None:
    sql = "do $$\nbegin\n  perform 1;\nend $$;\n"
    (tmp_path / "0001_a.sql").write_text(sql)
    assert "0001_a" in await migrate(empty_database, tmp_path)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [(["1_a.sql"], "is no migration name"), (["0001_a.sql", "0001_b.sql"], "have the same number")],
)
async def test_bad_names_are_refused(tmp_path: Path, names: list[str], complaint: str) -> None:
    for name in names:
        (tmp_path / name).write_text("select 1")
    with pytest.raises(MigrationError, match=complaint):
        await pending("postgresql://unused", tmp_path)


async def test_an_unreachable_server_is_named(folder: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match=r"127\.0\.0\.1:1/x"):
        await migrate("postgresql://a:b@127.0.0.1:1/x", folder)


async def test_our_own_migrations_apply(database: str) -> None:
    assert await pending(database) == []
