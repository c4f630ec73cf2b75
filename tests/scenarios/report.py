"""`scripts/test scenarios`: run them all, then say group by group which numbers pass, fail, or have no test yet."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Final

import pytest

from tests.scenarios.catalogue import GROUPS


class Tally:
    """Which numbers were played, which of their tests failed, and of which a part is still `missing`."""

    def __init__(self) -> None:
        self.numbers: dict[str, tuple[int, ...]] = {}
        self.missing: dict[int, str] = {}
        self.passed: set[int] = set()
        self.failed: set[int] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marks = list(item.iter_markers("scenario"))
            self.numbers[item.nodeid] = tuple(int(number) for mark in marks for number in mark.args)
            for mark in marks:
                if "missing" in mark.kwargs:
                    self.missing |= dict.fromkeys(mark.args, mark.kwargs["missing"])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        numbers = self.numbers.get(report.nodeid, ())
        if report.failed or (report.skipped and report.when != "teardown"):
            # A scenario that was skipped, or is expected to fail, does not pass.
            self.failed.update(numbers)
        elif report.when == "call":
            self.passed.update(numbers)


WHERE: Final = ("tests/scenarios", "tests/processors/paypal")
"""What a processor's own signatures are held to stands with its adapter."""


def main(arguments: Sequence[str]) -> int:
    as_json = "--json" in arguments
    tally = Tally()
    options = [a for a in arguments if a != "--json"]
    code = pytest.main([*WHERE, "-m", "scenario", "-q", "-p", "no:randomly", *options], plugins=[tally])
    in_part = (tally.passed - tally.failed) & tally.missing.keys()
    passed = tally.passed - tally.failed - in_part
    missing: list[int] = []
    for letter, (title, numbers) in GROUPS.items():
        print(f"\n{letter}. {title}")
        for name, chosen in (("pass", passed), ("fail", tally.failed)):
            shown = [str(n) for n in numbers if n in chosen]
            if shown:
                print(f"   {name:<8}{' '.join(shown)}")
        if parts := [f"{n} (but for {tally.missing[n]})" for n in numbers if n in in_part]:
            print(f"   in part {', '.join(parts)}")
        none = [n for n in numbers if n not in passed | tally.failed | in_part]
        if none:
            print(f"   {'no test':<8}{' '.join(map(str, none))}")
        missing += none
    print(
        f"\n{len(passed)} pass, {len(tally.failed)} fail, {len(in_part)} pass as far as they go, "
        f"{len(missing)} have no test yet"
    )
    if as_json:
        found = {"passed": passed, "failed": tally.failed, "in_part": in_part, "missing": missing}
        print(json.dumps({name: sorted(numbers) for name, numbers in found.items()}))
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
