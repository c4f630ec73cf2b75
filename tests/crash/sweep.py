"""The crash sweep: the gateway is stopped at every point of every path, and must come to the same end.

    scripts/test crash                  every point of every path, before, after and with its answer lost; then pairs
    scripts/test crash --paths signup,renewal --limit 300 --seed 7 --json
    scripts/test crash --replay 'renewal:17/after,31/before'

A history is a path and what happens at which of its points (`tests/support/points.py` says what a point is, and
`tests/crash/paths` how a path is added). With no `--limit` every single stop is played and a tenth as many pairs of
them, which `--seed` draws; with a limit, so many of both, drawn. A bad history is printed with the line that plays it
again, alone and with the gateway's log.
"""

from __future__ import annotations

import asyncio
import os
import queue
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click
import msgspec

from tests.crash.orders import Delivered
from tests.crash.paths import PATHS
from tests.crash.play import History, Played
from tests.database import TestServer, connected, run_name, server_dsn, template, with_database
from tests.support.points import Turn, Way

NEXT_WITHIN: Final = 30
"""The second stop of a pair comes at most so many points after the first: while the first is being repaired."""
LONGEST_REASON: Final = 6_000
PAIRS_OF_SINGLES: Final = 0.1
PLAYERS: Final = 2
MOST_PLAYED: Final = 400


class Player:
    """A process that plays, over a database of its own. Both are made anew now and then: the dead take up room."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._begin()

    def _begin(self) -> None:
        self._played = 0
        asyncio.run(_create(self._name))
        dsn = with_database(server_dsn(), self._name)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.player", dsn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def play(self, history: Any) -> Any:
        """Play one history or order; raises RuntimeError where the player itself has broken down."""
        if self._played == MOST_PLAYED:
            self.end()
            self._begin()
        self._played += 1
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(msgspec.json.encode(history) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the player broke down over {history}")
        played = msgspec.json.decode(line, type=Played | Delivered)
        if "TimeoutError" in played.wrong:
            # Half of a gateway still runs there, in the way of whatever comes next.
            self._played = MOST_PLAYED
        return played

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


@contextmanager
def players(count: int) -> Iterator[list[Player]]:
    """So many players over databases of this run's server."""
    server = TestServer()
    server.start()
    made: list[Player] = []
    try:
        for number in range(count):
            made.append(Player(f"{run_name()}_crash{number}"))
        yield made
    finally:
        for player in made:
            player.end()
        server.stop()


async def _create(name: str) -> None:
    async with connected(server_dsn()) as connection:
        await connection.execute(f"drop database if exists {name} with (force)")
        await connection.execute(f"create database {name} template {template()}")


def play_all(made: Sequence[Player], histories: Iterable[Any], *, said: bool = False) -> list[Any]:
    """Play these, each player the next one that nobody has taken."""
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for history in histories:
        waiting.put(history)
    total, done = waiting.qsize(), []

    def work(player: Player) -> None:
        while True:
            try:
                history = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                played = player.play(history)
            except RuntimeError as error:
                kind = Played if isinstance(history, History) else Delivered
                played = kind(history, wrong=str(error))
            done.append(played)
            if played.wrong:
                # All of it: what hangs on chance as well may not come again when it is played alone.
                print(f"BAD  {history}  {played.wrong[-LONGEST_REASON:]}", file=sys.stderr)
            if said and len(done) % 200 == 0:
                print(f"{len(done)} of {total}", file=sys.stderr)

    threads = [threading.Thread(target=work, args=(player,)) for player in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def singles(counted: Played, at: str = "") -> list[History]:
    """Every way at every point of a path that has an effect, and whose name fits."""
    numbers = [
        number
        for number, point in enumerate(counted.points)
        if point.wrote and re.search(at, f"{point.role} {point.what}")
    ]
    return [History(counted.history.path, (Turn(n, way),)) for n in numbers for way in Way]


def pairs(first: Sequence[History], count: int, dice: random.Random) -> list[History]:
    """So many histories with two stops, the second soon after one of these first ones."""
    made: dict[History, None] = {}
    for _ in range(20 * count):
        if len(made) == count or not first:
            break
        history = dice.choice(first)
        second = Turn(history.turns[0].at + dice.randint(1, NEXT_WITHIN), dice.choice(list(Way)))
        made[History(history.path, (*history.turns, second))] = None
    return list(made)


def wanted(every: Sequence[History], limit: int | None, dice: random.Random) -> list[History]:
    """What is to be played: all single stops and some pairs, or so many of both."""
    if limit is None:
        return [*every, *pairs(every, round(len(every) * PAIRS_OF_SINGLES), dice)]
    two = round(limit * PAIRS_OF_SINGLES / (1 + PAIRS_OF_SINGLES))
    one = min(len(every), limit - two)
    return dice.sample(every, one) + pairs(every, limit - one, dice)


class Report(msgspec.Struct):
    """What a sweep came to. `stops`: how many times each way was taken, by role and by kind of point."""

    histories: int
    bad: int
    pairs: int
    deaths: int
    lost_answers: int
    paths: dict[str, int]
    stops: dict[str, int]
    points: dict[str, int]
    unreached: int
    seed: int
    seconds: float
    replay: list[str] = []


def report(counted: Sequence[Played], played: Sequence[Played], seed: int, seconds: float) -> Report:
    bad = [one for one in (*counted, *played) if one.wrong]
    stops = Counter(
        f"{one.points[turn.at].role} {one.points[turn.at].kind} {turn.way}" for one in played for turn in one.taken
    )
    ways = Counter(turn.way for one in played for turn in one.taken)
    return Report(
        histories=len(played),
        bad=len(bad),
        pairs=sum(len(one.taken) == 2 for one in played),
        deaths=ways[Way.BEFORE] + ways[Way.AFTER],
        lost_answers=ways[Way.LOST],
        paths=dict(sorted(Counter(one.history.path for one in played).items())),
        stops=dict(sorted(stops.items())),
        points={one.history.path: sum(point.wrote for point in one.points) for one in counted},
        unreached=sum(len(one.taken) == 0 for one in played),
        seed=seed,
        seconds=round(seconds, 1),
        replay=[f"scripts/test crash --replay '{one.history}'" for one in bad],
    )


def sweep(
    paths: Sequence[str], limit: int | None, seed: int, *, at: str = "", count: int = PLAYERS, said: bool = False
) -> Report:
    """Count the points of each path, then play."""
    began = time.monotonic()
    with players(count) as made:
        counted = play_all(made, [History(path) for path in paths])
        counted.sort(key=lambda one: paths.index(one.history.path))
        whole = [one for one in counted if not one.wrong]
        dice = random.Random(seed)
        histories = wanted([history for one in whole for history in singles(one, at)], limit, dice)
        # One path after another keeps a player's copies warm; mixed, the slow ones don't come last.
        dice.shuffle(histories)
        played = play_all(made, histories, said=said)
    return report(counted, played, seed, time.monotonic() - began)


def replay(text: str) -> int:
    """Play one history alone, and say all there is to say of it."""
    os.environ["TOLLBRIDGE_TEST_CRASH_LOGS"] = "1"
    path, _, turns = text.partition(":")
    stops = [turn.split("/") for turn in turns.split(",") if turn]
    with players(1) as [player]:
        counted = player.play(History(path))
        played = player.play(History(path, tuple(Turn(int(at), Way(way)) for at, way in stops)))
    names = dict(enumerate(counted.points))
    for turn in played.taken:
        print(f"{turn}: {names[turn.at].role} {names[turn.at].what}" if turn.at in names else f"{turn}: afterwards")
    print(played.wrong or "its end is right")
    return 1 if played.wrong else 0


@click.command(help="Stop the gateway at every outside call and every COMMIT, and look whether the end is right.")
@click.option("--paths", default=",".join(PATHS), help="Which paths, by name.")
@click.option("--limit", type=int, help="How many histories at most; all single stops and some pairs without it.")
@click.option("--seed", type=int, default=1, show_default=True, help="Draws the pairs, and what a limit leaves.")
@click.option("--at", default="", help="Stop only at points whose name fits this pattern, as `charge|/pay`.")
@click.option("--replay", "line", help="Play this one history: path:point/way,point/way.")
@click.option("--players", "count", type=int, default=PLAYERS, show_default=True, help="Processes that play.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def main(paths: str, limit: int | None, seed: int, at: str, line: str | None, count: int, as_json: bool) -> None:
    if line:
        sys.exit(replay(line))
    made = sweep(paths.split(","), limit, seed, at=at, count=count, said=not as_json)
    print(msgspec.json.encode(made).decode() if as_json else shown(made))
    sys.exit(1 if made.bad or made.unreached else 0)


def shown(made: Report) -> str:
    """The report for people."""
    lines = [
        f"{name:24}{count:6} histories over {made.points.get(name, 0)} points" for name, count in made.paths.items()
    ]
    lines += [f"{name:24}{count:6} stops" for name, count in made.stops.items()]
    lines += [
        f"{made.histories} histories ({made.pairs} with two stops): {made.deaths} deaths, {made.lost_answers} lost "
        f"answers; {made.bad} bad, {made.unreached} never reached; {made.seconds:g} s, seed {made.seed}",
        *made.replay,
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
