"""What an invoice's lines say of the plan that they bill. Pure.

Stripe words a line of a period as `1 × Gold (at €10.00 / month)`, and one of a trial as `Trial period for Gold`. Those
of a change of plan (`Unused time on …`) and of items by hand name no plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

PERIOD: Final = re.compile(r"[\d.,]+ × (.+) \((?:Tier \d+ )?at .+\)")
TRIAL: Final = re.compile("Trial period for (.+)")
MOST: Final = 2


def plan_in(lines: Iterable[str | None]) -> str:
    """The names of what is sold, the first two of many; empty where no line says."""
    found = [PERIOD.fullmatch(text) or TRIAL.fullmatch(text) for text in lines if text]
    names = list(dict.fromkeys(one[1] for one in found if one is not None))
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return " + ".join(names[:MOST]) + more
