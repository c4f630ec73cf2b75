"""What a subscription does next: what somebody wants of it, and what follows from its payer's agreements."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from db.states import CancellationOrigin, CancellationState, Collector, Ends
from gateway.domain.agreement import COMING_WAIT, Concerned, Fate, Methods, fates
from gateway.domain.policy import Policy
from gateway.domain.session import Rest
from gateway.domain.subscription import (
    EndIt,
    HasEnded,
    LookAtMethod,
    NextSubscriptionStep,
    ReadSubscription,
    SubscriptionState,
    SwitchWish,
    WantEnd,
    Wish,
    Withdraw,
    decide_subscription,
)
from tests.domain.views import NOW

READ = ReadSubscription()
COMING = Rest(NOW + COMING_WAIT)
ENDED = Methods(ended_at=NOW)
SEEN = SubscriptionState(stale=False, read_at=NOW, methods=ENDED)
OURS = Wish("can_1", Ends.PERIOD_END, origin=CancellationOrigin.AGREEMENT)
ON = Wish("can_2", Ends.NEVER, origin=CancellationOrigin.AGREEMENT)
ASKED = Wish("can_3", Ends.PERIOD_END)
BILLED = Wish("can_4", Ends.NOW, invoice_now=True)
MINUTES_AGO = NOW - timedelta(minutes=3)
TO_STRIPE = SwitchWish("swt_1", Collector.STRIPE)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, WantEnd(Ends.PERIOD_END)),
        ({"policy": Policy(agreement_canceled="cancel_now")}, WantEnd(Ends.NOW)),
        ({"policy": Policy(agreement_canceled="keep")}, Rest()),
        ({"read_at": NOW - timedelta(seconds=1)}, READ),
        ({"stale": True}, READ),
        ({"ours": False}, Rest()),
        ({"ended": True}, Rest()),
        ({"ending": True}, Rest()),
        ({"methods": Methods()}, Rest()),
        ({"methods": replace(ENDED, left=True)}, Rest()),
        ({"methods": replace(ENDED, coming=True)}, COMING),
        ({"methods": replace(ENDED, answered=True)}, Rest()),
        ({"ending": True, "by_agreement": True}, Rest()),
        ({"ending": True, "by_agreement": True, "methods": Methods(left=True)}, WantEnd(Ends.NEVER)),
        ({"ending": True, "methods": Methods(left=True)}, Rest()),
        ({"ending": True, "by_agreement": True, "ours": False}, Rest()),
        # The payer pays Stripe instead.
        ({"ending": True, "by_agreement": True, "ours": False, "at_stripe": True}, WantEnd(Ends.NEVER)),
        # What was wanted, and Stripe has not heard of.
        ({"wish": OURS}, EndIt(OURS)),
        ({"wish": OURS, "stale": True}, READ),
        ({"wish": OURS, "ending": True}, Withdraw(OURS, "it was set to end already")),
        ({"wish": OURS, "methods": Methods(left=True)}, Withdraw(OURS, "the payer has given another payment method")),
        ({"wish": OURS, "methods": replace(ENDED, coming=True)}, COMING),
        ({"wish": OURS, "ours": False}, Withdraw(OURS, "it is not collected here any more")),
        ({"wish": OURS, "ended": True}, HasEnded(OURS)),
        # A switch may make it void; one that Stripe may have heard of comes first, so that it can be taken back.
        ({"wish": OURS, "switch": TO_STRIPE}, LookAtMethod(TO_STRIPE)),
        ({"wish": replace(OURS, sent=True), "switch": TO_STRIPE}, EndIt(replace(OURS, sent=True))),
        # Stripe may have heard of it: it is told again, and what holds no more is taken back after that.
        ({"wish": replace(OURS, sent=True), "methods": Methods(left=True)}, EndIt(replace(OURS, sent=True))),
        ({"wish": ON, "ending": True, "by_agreement": True, "methods": Methods(left=True)}, EndIt(ON)),
        ({"wish": ON, "ending": True, "by_agreement": True}, Withdraw(ON, "there is no payment method to go on with")),
        # A person's wish is told as it is.
        ({"wish": ASKED, "stale": True, "ending": True, "methods": Methods(left=True)}, EndIt(ASKED)),
        # What it is to bill comes first, for ten minutes; what Stripe may have heard is told again.
        ({"wish": BILLED}, EndIt(BILLED)),
        ({"wish": replace(BILLED, unsent_since=MINUTES_AGO)}, Rest(NOW + timedelta(minutes=7))),
        (
            {"wish": replace(BILLED, unsent_since=NOW - timedelta(minutes=10))},
            EndIt(replace(BILLED, unsent_since=NOW - timedelta(minutes=10)), unsent=True),
        ),
        (
            {"wish": replace(BILLED, unsent_since=MINUTES_AGO, sent=True)},
            EndIt(replace(BILLED, unsent_since=MINUTES_AGO, sent=True)),
        ),
        ({"wish": replace(BILLED, used_at=NOW)}, Rest(NOW + timedelta(seconds=1))),
        (
            {"wish": replace(BILLED, used_at=NOW - timedelta(seconds=1))},
            EndIt(replace(BILLED, used_at=NOW - timedelta(seconds=1))),
        ),
    ],
)
def test_the_next_step(facts: dict[str, Any], expected: NextSubscriptionStep) -> None:
    assert decide_subscription(replace(SEEN, **facts), NOW) == expected


@pytest.mark.parametrize(
    ("facts", "left", "fate"),
    [
        ({}, False, None),
        ({"answered": True}, False, Fate.KEPT),
        ({}, True, Fate.KEPT),
        ({"ending": True}, False, Fate.ENDING_ALREADY),
        ({"ending": True, "wish": Ends.PERIOD_END, "told": "done"}, False, Fate.CANCEL_AT_PERIOD_END),
        ({"wish": Ends.PERIOD_END, "told": "wanted"}, False, Fate.CANCEL_AT_PERIOD_END),
        ({"ended": True, "wish": Ends.NOW, "told": "done"}, False, Fate.CANCELED),
        ({"wish": Ends.NOW, "told": "refused", "answered": True}, False, Fate.KEPT),
        ({"wish": Ends.NOW, "told": "withdrawn", "answered": True}, True, Fate.KEPT),
    ],
)
def test_what_happens_to_it(facts: dict[str, Any], left: bool, fate: Fate | None) -> None:
    if "told" in facts:
        facts = facts | {"told": CancellationState(facts["told"])}
    one = Concerned(**({"id": "sub_1", "ended": False, "ending": False, "left": left} | facts))
    assert fates([one], Policy()) == (None if fate is None else {"sub_1": fate})


def test_nothing_is_told_before_all_have_their_answer() -> None:
    settled, open_yet = Concerned("sub_1", False, True), Concerned("sub_2", False, False)
    assert fates([settled, open_yet], Policy()) is None
    assert fates([open_yet], Policy(agreement_canceled="keep")) == {"sub_2": Fate.KEPT}
    assert fates([], Policy()) == {}
