"""`scripts/test scenarios`: run them all, then say group by group which numbers pass, fail, or have no test yet."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import pytest

from tests.scenarios.catalogue import GROUPS


class Tally:
    """Which numbers were played, and which of their tests failed."""

    def __init__(self) -> None:
        self.numbers: dict[str, tuple[int, ...]] = {}
        self.passed: set[int] = set()
        self.failed: set[int] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            self.numbers[item.nodeid] = tuple(
                int(number) for mark in item.iter_markers("scenario") for number in mark.args
            )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        numbers = self.numbers.get(report.nodeid, ())
        if report.failed or (report.skipped and report.when != "teardown"):
            # A scenario that was skipped, or is expected to fail, does not pass.
            self.failed.update(numbers)
        elif report.when == "call":
            self.passed.update(numbers)


def main(arguments: Sequence[str]) -> int:
    as_json = "--json" in arguments
    tally = Tally()
    options = [a for a in arguments if a != "--json"]
    code = pytest.main(["tests/scenarios", "-m", "scenario", "-q", "-p", "no:randomly", *options], plugins=[tally])
    passed = tally.passed - tally.failed
    missing: list[int] = []
    for letter, (title, numbers) in GROUPS.items():
        print(f"\n{letter}. {title}")
        for name, chosen in (("pass", passed), ("fail", tally.failed)):
            shown = [str(n) for n in numbers if n in chosen]
            if shown:
                print(f"   {name:<8}{' '.join(shown)}")
        none = [n for n in numbers if n not in passed and n not in tally.failed]
        if none:
            print(f"   {'no test':<8}{' '.join(map(str, none))}")
        missing += none
    print(f"\n{len(passed)} pass, {len(tally.failed)} fail, {len(missing)} have no test yet")
    if as_json:
        print(json.dumps({"passed": sorted(passed), "failed": sorted(tally.failed), "missing": missing}))
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
