"""Writes what adapters declare into processors/README.md, from those that this project installs.

`python -m scripts.capabilities` writes it, `--check` says whether it is current (the linters and a test ask).
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Final

from processors.capabilities import Capabilities, KeyPlace, Lookup, RefundMode, Replay, Webhook
from processors.events import EventKind
from processors.interface import ProcessorAdapter
from processors.practice.client import PracticeAdapter

ROOT: Final = Path(__file__).parents[1]
README: Final = ROOT / "processors" / "README.md"
BEGIN: Final = "<!-- capabilities: written by scripts/capabilities.py -->"
END: Final = "<!-- end of capabilities -->"
PRACTICE: Final = (
    "The practice processor, as it is and in [the manner](../gateway/sandbox/practice/README.md) of each of the six:"
)

REPLAYS: Final[Mapping[Replay, str]] = {
    Replay.SAME_ANSWER: "the first answer",
    Replay.CURRENT_STATE: "how it stands",
    Replay.CONFLICT_WITH_ID: "409 with its id",
    Replay.RUNS_AGAIN_AFTER_ERROR: "runs again after an error",
}
LOOKUPS: Final[Mapping[Lookup, str]] = {
    Lookup.BY_REFERENCE: "by our reference",
    Lookup.BY_ID: "by its id",
    Lookup.SCAN: "by listing",
    Lookup.NONE: "not at all",
}
WEBHOOKS: Final[Mapping[Webhook, str]] = {
    Webhook.SIGNED_BODY: "signed body",
    Webhook.SIGNED_FIELDS: "signed fields",
    Webhook.SIGNED_URL_AND_BODY: "signed URL and body",
    Webhook.CERTIFICATE: "signed, certificate",
    Webhook.UNSIGNED_PING: "unsigned ping, fetched",
}


def entry_points(group: str) -> dict[str, str]:
    """Those of pyproject.toml: what is installed beside them on this machine is no part of the README."""
    told: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][group]
    return told


def adapters() -> dict[str, type[ProcessorAdapter]]:
    """The adapters that this project installs, by name."""
    found = {}
    for name, value in entry_points("tollbridge.processors").items():
        module, _, attribute = value.partition(":")
        found[name] = getattr(import_module(module), attribute)
    return found


def matrices() -> str:
    """A table of the processors, and one of the practice processor in its manners, which stand in for them."""
    practice, real = {}, {}
    for name, adapter in adapters().items():
        (practice if issubclass(adapter, PracticeAdapter) else real)[name] = adapter.capabilities
    return f"{matrix(real)}\n\n{PRACTICE}\n\n{matrix(practice)}"


def matrix(columns: Mapping[str, Capabilities]) -> str:
    """A Markdown table: a row for each capability, a column for each adapter."""
    lines = [f"| | {' | '.join(f'`{name}`' for name in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for title, cell in ROWS.items():
        lines.append(f"| {title} | {' | '.join(cell(it) for it in columns.values())} |")
    return "\n".join(lines)


def written(text: str) -> str:
    """The README with the tables as they are now; raises ValueError without the two markers."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("processors/README.md has not the two markers of the tables")
    return f"{before}{BEGIN}\n\n{matrices()}\n\n{END}{after}"


def _place(it: Capabilities) -> str:
    return "header" if it.idempotency.place is KeyPlace.HEADER else "body"


def _lookup(it: Capabilities) -> str:
    lag = it.lookup_lag if it.lookup is not Lookup.NONE else timedelta(0)
    return LOOKUPS[it.lookup] + (f", after {_span(lag)}" if lag else "")


def _refunds(it: Capabilities) -> str:
    if it.refunds.mode is RefundMode.NONE:
        return "none"
    said = "at once" if it.refunds.mode is RefundMode.SYNC else "accepted, then told"
    said += "" if it.refunds.partial else ", whole only"
    return said + (f", for {_span(it.refunds.window)}" if it.refunds.window else "")


def _span(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if seconds > size else ''}"
    return f"{seconds} s"


def _kinds(kinds: frozenset[EventKind]) -> str:
    """A family of which nothing is missing is named as one."""
    families: dict[str, set[EventKind]] = {}
    for kind in EventKind:
        families.setdefault(kind.partition(".")[0], set()).add(kind)
    whole = {name: family for name, family in families.items() if family <= kinds}
    rest = kinds - {kind for family in whole.values() for kind in family}
    names = [f"{name}.*" if len(family) > 1 else name for name, family in whole.items()]
    return ", ".join(sorted([*names, *(str(kind) for kind in rest)])) or "–"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


ROWS: Final[Mapping[str, Callable[[Capabilities], str]]] = {
    "charges": lambda it: f"may take up to {_span(it.max_pending)}" if it.asynchronous else "at once",
    "idempotency key": lambda it: f"{_span(it.idempotency.window)}, in the {_place(it)}",
    "the same key again": lambda it: REPLAYS[it.idempotency.replay],
    "a charge is found": _lookup,
    "not found is proof": lambda it: _yes(it.not_found_is_conclusive),
    "withdrawing": lambda it: _yes(it.cancel),
    "may be undone later": lambda it: f"for {_span(it.reversal_window)}" if it.reversal_window else "–",
    "refunds": _refunds,
    "refunds can be listed": lambda it: _yes(it.lists_refunds),
    "takes lines and tax": lambda it: _yes(it.takes_lines),
    "keeps the payer's address": lambda it: _yes(it.payer_address),
    "webhooks": lambda it: WEBHOOKS[it.webhook] + (", in batches" if it.batch else ""),
    "polled": lambda it: _kinds(it.polled_events),
    "tells again what webhooks told": lambda it: _yes(it.tells_again),
    "can't be known": lambda it: _kinds(it.impossible_events),
    "currencies": lambda it: "all" if it.currencies is None else str(len(it.currencies)),
    "settlement files": lambda it: _yes(it.settlement_files),
}


def main() -> int:
    now = README.read_text()
    wanted = written(now)
    if "--check" in sys.argv[1:]:
        if now != wanted:
            print("The tables in processors/README.md are not current: python -m scripts.capabilities")
        return int(now != wanted)
    README.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
