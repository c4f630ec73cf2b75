"""Which processors a payer may choose, and in what order."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from gateway.domain.routing import Asked, Bounds, Offer, Routing, fits, ranked

PAYER = Asked("cus_1", "eur", 1000, "DE", {"tier": "gold"})
PLAIN = Offer("con_1", "card", 0)


@pytest.mark.parametrize(
    ("routing", "asked", "expected"),
    [
        (Routing(), PAYER, True),
        (Routing(countries=["DE", "AT"]), PAYER, True),
        (Routing(countries=["AT"]), PAYER, False),
        (Routing(countries=["AT"]), replace(PAYER, country=""), True),
        (Routing(amounts={"eur": Bounds(1000, 1000)}), PAYER, True),
        (Routing(amounts={"eur": Bounds(minimum=1001)}), PAYER, False),
        (Routing(amounts={"eur": Bounds(maximum=999)}), PAYER, False),
        (Routing(amounts={"usd": Bounds(maximum=999)}), PAYER, True),
        (Routing(amounts={"eur": Bounds(minimum=1001)}), replace(PAYER, amount=None), True),
        (Routing(amounts={"eur": Bounds(minimum=1001)}), replace(PAYER, amount=0), True),
        (Routing(attributes={"tier": ["silver", "gold"]}), PAYER, True),
        (Routing(attributes={"tier": ["silver"]}), PAYER, False),
        (Routing(attributes={"tier": ["gold"], "region": ["north"]}), PAYER, False),
        (Routing(attributes={"tier": ["gold"]}), replace(PAYER, attributes={}), False),
    ],
)
def test_a_rule(routing: Routing, asked: Asked, expected: bool) -> None:
    assert fits(replace(PLAIN, routing=routing), asked) is expected


def test_what_the_processor_can_charge_at_all() -> None:
    assert not fits(replace(PLAIN, bounds=Bounds(minimum=1001)), PAYER)
    assert fits(replace(PLAIN, bounds=Bounds(minimum=1001)), replace(PAYER, amount=0)), "a trial charges nothing now"


def test_priority_comes_before_weight() -> None:
    offers = [Offer("con_1", "a", 1, Routing(weight=1000)), Offer("con_2", "b", 0, Routing(weight=1))]
    assert [one.name for one in ranked(offers, PAYER)] == ["b", "a"]


def test_one_payer_sees_one_order() -> None:
    offers = [Offer(f"con_{n}", f"c{n}", 0) for n in range(5)]
    first = ranked(offers, PAYER)
    assert ranked(reversed(offers), PAYER) == first
    without = [one for one in offers if one is not first[-1]]
    assert ranked(without, PAYER) == first[:-1], "one that is switched off moves nobody else"


def test_weights_are_shares() -> None:
    offers = [Offer("con_1", "a", 0, Routing(weight=300)), Offer("con_2", "b", 0, Routing(weight=100))]
    firsts = Counter(ranked(offers, replace(PAYER, payer=f"cus_{n}"))[0].name for n in range(4000))
    assert 0.70 < firsts["a"] / 4000 < 0.80
