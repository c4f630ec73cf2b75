"""Decline codes as data: a table for each processor, and what the card schemes say over it.

Only codes decide, never a text: texts change and are translated. An adapter's table is a literal in its mapping; the
gateway shows it, and an operator may class a code otherwise without a release. What a scheme forbids stands above both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from processors.outcome import ADVICE, Advice, Decline, DeclineClass

UNMAPPED: Final = DeclineClass.DO_NOT_HONOR
"""What a code is taken for that no table has: soft, since a wrong "never" loses a payer, and capped by the gateway."""

STRICTNESS: Final = (Advice.RETRY_LATER, Advice.CUSTOMER_ACTION, Advice.NEW_PAYMENT_METHOD, Advice.NEVER)
"""From the advice that leaves most tries to the one that leaves none."""

NETWORK_ADVICE: Final[Mapping[str, Advice]] = {
    "01": Advice.NEW_PAYMENT_METHOD,
    "03": Advice.NEVER,
    "21": Advice.NEVER,
    "40": Advice.NEW_PAYMENT_METHOD,
    "41": Advice.NEW_PAYMENT_METHOD,
}
"""Mastercard's merchant advice codes that leave less than the class may: new account information is needed (01), do not
try again (03), the payer has cancelled the series (21), prepaid and single-use cards (40, 41)."""

NETWORK_WAITS: Final[Mapping[str, timedelta]] = {
    "24": timedelta(hours=1),
    "25": timedelta(hours=24),
    "26": timedelta(days=2),
    "27": timedelta(days=4),
    "28": timedelta(days=6),
    "29": timedelta(days=8),
    "30": timedelta(days=10),
}
"""Mastercard's merchant advice codes that name the wait before the next try."""

NETWORK_CODES: Final[Mapping[str, Advice]] = dict.fromkeys(("04", "07", "41", "43", "R0", "R1", "R3"), Advice.NEVER)
"""Response codes after which the schemes want no further try: pick up, lost, stolen, and a payer's stop orders.

Of Visa's category 1 only those that mean the same elsewhere: the rest, such as 14 and 57, stop the method by class.
"""


class DeclineTable(msgspec.Struct, frozen=True):
    """One processor's decline codes, each with its class."""

    classes: Mapping[str, DeclineClass] = {}

    def decline(
        self,
        code: str,
        message: str = "",
        *,
        network_code: str = "",
        network_advice: str = "",
        at: datetime | None = None,
    ) -> Decline:
        """A refusal in all three layers. `at` is when it was said, from which a scheme's wait counts."""
        wait = NETWORK_WAITS.get(network_advice)
        said = Decline(
            UNMAPPED,
            ADVICE[UNMAPPED],
            processor_code=code,
            processor_message=message,
            network_code=network_code,
            network_advice=network_advice,
            not_before=None if wait is None or at is None else at + wait,
        )
        return replace(as_class(said, self.classes.get(code, UNMAPPED)), mapped=code in self.classes)


def as_class(decline: Decline, decline_class: DeclineClass) -> Decline:
    """The same refusal as one of another class: its advice, unless the scheme allows less."""
    advice = max(ADVICE[decline_class], allowed(decline), key=STRICTNESS.index)
    return replace(decline, decline_class=decline_class, advice=advice, mapped=True)


def allowed(decline: Decline) -> Advice:
    """The most that the card scheme allows after this refusal, whatever its class."""
    said = (NETWORK_ADVICE.get(decline.network_advice), NETWORK_CODES.get(decline.network_code))
    return max((one for one in said if one is not None), key=STRICTNESS.index, default=Advice.RETRY_LATER)
