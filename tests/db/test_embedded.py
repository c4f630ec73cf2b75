"""The embedded server through its life: shared, killed, orphaned, mistaken for somebody else, out of reach.

Each server takes a second or two to make: the odd ones wait for the slow ring.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from db.embedded import EmbeddedPostgres, binaries, default_home, place
from db.embedded.settings import options
from db.errors import EmbeddedPostgresError

FAST = {"fsync": "off"}
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="root alone hands the server to another account")

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def server(made_home: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(made_home, settings=FAST)
    server.start()
    yield server
    server.stop()


def query(dsn: str, sql: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(ask())


def crash(server: EmbeddedPostgres) -> None:
    pid = server.postmaster_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.postmaster_pid() == pid:
        time.sleep(0.01)


def user(home: Path, then: str) -> subprocess.Popen[str]:
    """Another process that uses the server, prints the postmaster's pid, and does `then`."""
    program = (
        "import os, sys, time; from pathlib import Path; from db.embedded import EmbeddedPostgres; "
        "server = EmbeddedPostgres(Path(sys.argv[1]), settings={'fsync': 'off'}); server.start(); "
        f"print(server.postmaster_pid(), flush=True); {then}"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


# ------------------------------------------------------------------- sharing


def test_starts_and_stops(home: Path) -> None:
    server = EmbeddedPostgres(home)
    with pytest.raises(EmbeddedPostgresError, match="call start"):
        _ = server.dsn
    assert server.stop() is False
    dsn = server.start()
    assert server.start() == server.dsn == dsn
    assert query(dsn, "show fsync") == "on"
    assert query(dsn, "show listen_addresses") == ""
    assert query(dsn, "select datcollversion is not null from pg_database where datname = 'postgres'") is True
    assert server.stop() is True
    assert server.postmaster_pid() is None
    assert server.stop() is False


def test_data_survive_a_restart(server: EmbeddedPostgres) -> None:
    query(server.dsn, "create table thing as select 1 as id")
    assert server.stop() is True
    server.start()
    assert query(server.dsn, "select id from thing") == 1


def test_the_last_user_stops_it(server: EmbeddedPostgres, home: Path) -> None:
    second = EmbeddedPostgres(home)
    assert second.start() == server.dsn
    assert second.postmaster_pid() == server.postmaster_pid()
    assert server.stop() is False
    assert query(second.dsn, "select 1") == 1
    assert second.stop() is True


@pytest.mark.slow
def test_as_a_context_manager(made_home: Path) -> None:
    server = EmbeddedPostgres(made_home, settings=FAST)
    with server as dsn:
        assert query(dsn, "select 1") == 1
    assert server.postmaster_pid() is None


@pytest.mark.slow
def test_starters_at_once_share_one_server(home: Path) -> None:
    users = [user(home, "sys.stdin.read(); server.stop()") for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0] for process in users]
    assert [process.returncode for process in users] == [0] * 4
    assert all(output.strip().isdigit() for output in outputs)
    assert EmbeddedPostgres(home).postmaster_pid() is None


@pytest.mark.slow
def test_a_killed_user_does_not_keep_it_running(made_home: Path) -> None:
    killed = user(made_home, "os.kill(os.getpid(), 9)")
    pid = int(killed.communicate(timeout=60)[0])
    server = EmbeddedPostgres(made_home, settings=FAST)
    server.start()
    assert server.postmaster_pid() == pid, "it outlives its user, and is joined"
    assert server.stop() is True


def test_a_living_user_keeps_it_running(made_home: Path) -> None:
    living = user(made_home, "sys.stdin.read()")
    assert living.stdout is not None
    pid = int(living.stdout.readline())
    server = EmbeddedPostgres(made_home, settings=FAST)
    server.start()
    assert server.stop() is False
    living.kill()
    living.wait()
    server.start()
    assert server.postmaster_pid() == pid
    assert server.stop() is True


# ------------------------------------------------------------------- crashes


def test_committed_rows_survive_kill_9_of_the_server(made_home: Path) -> None:
    server = EmbeddedPostgres(made_home)
    query(server.start(), "create table thing as select n from generate_series(1, 1000) n")
    crash(server)
    second = EmbeddedPostgres(made_home)
    assert query(second.start(), "select count(*) from thing") == 1000
    assert server.stop() is False
    assert second.stop() is True


@pytest.mark.slow
def test_waits_for_orphans_of_a_killed_server(server: EmbeddedPostgres, home: Path) -> None:
    async def crash_under_a_busy_backend() -> None:
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("set max_parallel_workers_per_gather = 0")
        busy = asyncio.create_task(connection.fetchval("select sum(n) from generate_series(1, 20000000) n"))
        await asyncio.sleep(0.3)
        crash(server)
        busy.cancel()
        connection.terminate()

    second = EmbeddedPostgres(home, settings=FAST)
    asyncio.run(crash_under_a_busy_backend())
    assert query(second.start(), "select 1") == 1
    assert "pre-existing shared memory block" in (second.data / "server.log").read_text()
    second.stop()


def test_a_half_made_data_directory_is_made_again(home: Path) -> None:
    (home / "data.new" / "base").mkdir(parents=True)
    (home / "data.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(home, settings=FAST) as dsn:
        assert query(dsn, "select 1") == 1


# ----------------------------------------------------------------- pid files


def leave_pid_file(server: EmbeddedPostgres, pid: int) -> None:
    """As if the machine had gone down under the server, and `pid` were another process now."""
    sockets = server.data
    text = f"{pid}\n{server.data}\n1700000000\n5432\n{sockets}\n"
    (server.data / "postmaster.pid").write_text(f"{text}\n    1    1\nready\n")
    (sockets / ".s.PGSQL.5432.lock").write_text(text)


@pytest.fixture
def bystander() -> Iterator[int]:
    """A living process under the server's account that is no server."""
    account = place.Account.choose(Path("/nowhere"))
    process = account.popen(["/bin/sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_pid_file_that_names_somebody_else_is_no_server(server: EmbeddedPostgres, bystander: int) -> None:
    server.stop()
    leave_pid_file(server, bystander)
    assert server.postmaster_pid() is None
    assert query(server.start(), "select 1") == 1
    os.kill(bystander, 0)


@pytest.mark.slow
def test_a_pid_file_that_names_a_zombie_is_no_server(server: EmbeddedPostgres) -> None:
    server.stop()
    zombie = place.Account.choose(Path("/nowhere")).popen(["/bin/true"])
    time.sleep(0.1)
    leave_pid_file(server, zombie.pid)
    assert query(server.start(), "select 1") == 1
    zombie.wait()


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "garbage\n"])
def test_a_broken_pid_file_is_no_server(server: EmbeddedPostgres, text: str) -> None:
    server.stop()
    (server.data / "postmaster.pid").write_text(text)
    assert query(server.start(), "select 1") == 1


@pytest.mark.slow
def test_a_pid_file_of_a_dead_process_is_left_to_postgresql(server: EmbeddedPostgres) -> None:
    server.stop()
    dead = subprocess.Popen(["/bin/true"])
    dead.wait()
    leave_pid_file(server, dead.pid)
    assert query(server.start(), "select 1") == 1


@pytest.mark.slow
def test_a_stranger_in_the_pid_file_of_a_shared_home_is_refused(
    server: EmbeddedPostgres, home: Path, bystander: int
) -> None:
    crash(server)
    leave_pid_file(server, bystander)
    with pytest.raises(EmbeddedPostgresError, match="shared with another container"):
        EmbeddedPostgres(home, settings=FAST).start()


# ------------------------------------------------------------- paths, errors


@pytest.mark.slow
def test_a_long_path_gets_a_short_socket_directory(home: Path) -> None:
    long = home / ("x" * 60) / ("y" * 60)
    server = EmbeddedPostgres(long, settings=FAST)
    dsn = server.start()
    assert query(dsn, "select 1") == 1
    sockets = Path((long / place.SOCKET_RECORD).read_text().strip())
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    with EmbeddedPostgres(long) as other:
        assert other == dsn
    server.stop()
    sockets.chmod(0o777)
    assert server.start() != dsn, "a directory that others can enter is not used again"
    assert query(server.dsn, "select 1") == 1
    server.stop()
    shutil.rmtree(sockets)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a b'c%e#ü", "a, b"])
def test_odd_characters_in_the_path(home: Path, name: str) -> None:
    with EmbeddedPostgres(home / name, settings=FAST) as dsn:
        assert query(dsn, "select 1") == 1


@pytest.mark.parametrize("character", ['"', "$", "`", "\\"])
def test_what_the_shell_of_pg_ctl_expands_is_refused(home: Path, character: str) -> None:
    with pytest.raises(EmbeddedPostgresError, match="pg_ctl cannot handle"):
        EmbeddedPostgres(home / f"a{character}b").start()


@pytest.mark.slow
def test_another_major_version_is_refused(server: EmbeddedPostgres) -> None:
    server.stop()
    (server.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match="was made by PostgreSQL 17"):
        server.start()
    (server.data / "PG_VERSION").write_text("18\n")


@pytest.mark.slow
def test_a_server_that_cannot_start_says_why(made_home: Path) -> None:
    reason = r'does not start(.|\n)*invalid value for parameter "shared_buffers"'
    with pytest.raises(EmbeddedPostgresError, match=reason):
        EmbeddedPostgres(made_home, settings={"shared_buffers": "plenty"}).start()
    with EmbeddedPostgres(made_home, settings=FAST) as dsn:
        assert query(dsn, "select 1") == 1


def test_data_that_are_none_are_refused(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    with pytest.raises(EmbeddedPostgresError, match="holds no PostgreSQL data"):
        EmbeddedPostgres(home).start()


def test_a_home_that_cannot_be_made_is_named(home: Path) -> None:
    home.write_text("a file")
    with pytest.raises(EmbeddedPostgresError, match="TOLLBRIDGE_HOME"):
        EmbeddedPostgres(home / "below").start()


@pytest.mark.slow
def test_a_hanging_starter_is_named(home: Path) -> None:
    import fcntl

    home.mkdir(parents=True)
    with (home / "start.lock").open("ab") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedPostgresError, match="another process has been starting"):
            EmbeddedPostgres(home, start_timeout_s=0.2).start()


@pytest.mark.slow
def test_a_server_that_hangs_is_named(server: EmbeddedPostgres, made_home: Path) -> None:
    pid = server.postmaster_pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedPostgresError, match="does not accept connections after"):
            EmbeddedPostgres(made_home, start_timeout_s=0.5).start()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert server.stop() is True


@pytest.mark.parametrize("name", ["", "bad name", "x; rm -rf /", "Fsync", "a-b"])
def test_a_setting_needs_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="is no PostgreSQL setting"):
        options(Path("/x"), {name: "on"})


def test_default_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path.resolve() / "checkout"
    (checkout / ".git").mkdir(parents=True)
    (checkout / "sub").mkdir()
    monkeypatch.chdir(checkout / "sub")
    monkeypatch.delenv("TOLLBRIDGE_HOME", raising=False)
    assert default_home() == checkout / ".tollbridge" / "postgres"
    monkeypatch.setenv("TOLLBRIDGE_HOME", str(tmp_path / "elsewhere"))
    assert default_home() == tmp_path.resolve() / "elsewhere" / "postgres"


# ---------------------------------------------------------------------- root


@pytest.fixture
def private(home: Path) -> Path:
    """A directory as /root is."""
    directory = home.parent / "root"
    directory.mkdir(mode=0o700)
    return directory


@AS_ROOT
def test_the_server_does_not_run_as_root(server: EmbeddedPostgres) -> None:
    assert server.data.stat().st_uid != 0
    assert Path(f"/proc/{server.postmaster_pid()}").stat().st_uid == server.data.stat().st_uid


@AS_ROOT
def test_a_home_out_of_the_accounts_reach_keeps_its_data_elsewhere(private: Path) -> None:
    server = EmbeddedPostgres(private / "checkout" / ".tollbridge", settings=FAST)
    query(server.start(), "create table thing as select 1 as id")
    assert server.data.is_relative_to(place.STATE)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700, "nothing outside is opened"
    assert server.stop() is True
    private.chmod(0o755)
    with EmbeddedPostgres(private / "checkout" / ".tollbridge", settings=FAST) as dsn:
        assert query(dsn, "select id from thing") == 1, "the data are found again although the home is in reach now"


@pytest.mark.slow
@AS_ROOT
def test_data_that_went_out_of_reach_are_not_silently_replaced(private: Path) -> None:
    private.chmod(0o755)
    with EmbeddedPostgres(private / "home", settings=FAST):
        pass
    private.chmod(0o700)
    with pytest.raises(EmbeddedPostgresError, match="can no longer enter"):
        EmbeddedPostgres(private / "home", settings=FAST).start()


@pytest.mark.slow
@AS_ROOT
def test_programs_out_of_the_accounts_reach_are_copied_once(
    private: Path, made_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = binaries.wheel_directory().parent.parent
    shutil.copytree(wheel, private / wheel.name)
    if (libraries := wheel.parent / f"{wheel.name}.libs").exists():
        shutil.copytree(libraries, private / libraries.name)
    monkeypatch.setattr(binaries, "wheel_directory", lambda: private / wheel.name / "pginstall" / "bin")
    with EmbeddedPostgres(made_home, settings=FAST) as dsn:
        assert query(dsn, "select 1") == 1
    (copy,) = (place.STATE / "binaries").iterdir()
    made = copy.stat().st_mtime_ns
    with EmbeddedPostgres(made_home, settings=FAST) as dsn:
        assert query(dsn, "select 1") == 1
    assert copy.stat().st_mtime_ns == made
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@AS_ROOT
def test_an_unknown_account_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLBRIDGE_POSTGRES_USER", "no-such-account")
    with pytest.raises(EmbeddedPostgresError, match="no-such-account"):
        EmbeddedPostgres(home).start()
    monkeypatch.setenv("TOLLBRIDGE_POSTGRES_USER", "root")
    with pytest.raises(EmbeddedPostgresError, match="name another account"):
        EmbeddedPostgres(home).start()
