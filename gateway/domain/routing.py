"""Which processors a payer may choose, and in what order. Pure.

A connection's rules say for whom it is offered. What is not known excludes nothing: a checkout without an address still
has somewhere to pay. An attribute is different: it is given on purpose, and one that a rule asks for must be there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import msgspec

STRIPE: Final = "stripe"
"""Stands in the place of a connection's name where Stripe itself is to keep a payment method; no connection has it."""

Minor = Annotated[int, msgspec.Meta(ge=0)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The smallest and the largest invoice that is offered, both included, in Stripe's minor units."""

    minimum: Annotated[Minor | None, msgspec.Meta(description="In minor units; none without it.")] = None
    maximum: Annotated[Minor | None, msgspec.Meta(description="In minor units; none without it.")] = None


class Routing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """For whom a connection is offered to collect a new payment method; empty rules ask for nothing."""

    countries: Annotated[
        list[Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]],
        msgspec.Meta(max_length=250, description="The payer's countries, ISO 3166-1 alpha-2; none: every one."),
    ] = []
    amounts: Annotated[
        dict[Annotated[str, msgspec.Meta(pattern="^[a-z]{3}$")], Bounds],
        msgspec.Meta(description="By currency: the first invoice's amount, in minor units."),
    ] = {}
    attributes: Annotated[
        dict[Text, list[Text]],
        msgspec.Meta(max_length=20, description="What the session's `attributes` must say: one of these each."),
    ] = {}
    weight: Annotated[
        int,
        msgspec.Meta(ge=1, le=1000, description="Its share of first places among those of the same priority."),
    ] = 100


class Display(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a payer is shown of a connection."""

    label: Annotated[str, msgspec.Meta(max_length=80, description="On its button; else its name.")] = ""
    description: Annotated[str, msgspec.Meta(max_length=200, description="Beside it.")] = ""
    methods: Annotated[
        list[Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]{1,40}$")]],
        msgspec.Meta(max_length=20, description="What it takes, for pictures: card, paypal, sepa_debit, …"),
    ] = []


class Asked(msgspec.Struct, frozen=True):
    """Who wants to pay. `amount` in minor units, None where it isn't known; `payer` is the same at each look."""

    payer: str
    currency: str
    amount: int | None = None
    country: str = ""
    attributes: Mapping[str, str] = {}


class Offer(msgspec.Struct, frozen=True):
    """A connection that takes the currency. `bounds` are what its processor can charge at all."""

    connection: str
    name: str
    priority: int
    routing: Routing = Routing()
    display: Display = Display()
    bounds: Bounds = Bounds()


def ranked(offers: Iterable[Offer], asked: Asked) -> list[Offer]:
    """Those that may be chosen: by priority, then drawn by weight, for one payer always alike."""
    fitting = [offer for offer in offers if fits(offer, asked)]
    return sorted(fitting, key=lambda offer: (offer.priority, -_drawn(offer, asked.payer), offer.name))


def fits(offer: Offer, asked: Asked) -> bool:
    """Whether the connection's rules and its processor's bounds allow it."""
    routing = offer.routing
    if routing.countries and asked.country and asked.country not in routing.countries:
        return False
    if any(asked.attributes.get(name) not in values for name, values in routing.attributes.items()):
        return False
    if not asked.amount:
        # Nothing is charged now, or nobody knows how much.
        return True
    wanted = (offer.bounds, routing.amounts.get(asked.currency, Bounds()))
    return all(_within(asked.amount, bounds) for bounds in wanted)


def _within(amount: int, bounds: Bounds) -> bool:
    return (bounds.minimum is None or amount >= bounds.minimum) and (bounds.maximum is None or amount <= bounds.maximum)


def _drawn(offer: Offer, payer: str) -> float:
    """Weighted rendezvous hashing: the highest comes first, each as often as its weight says; nothing is stored."""
    digest = hashlib.sha256(f"{payer}\0{offer.connection}".encode()).digest()
    uniform = (int.from_bytes(digest[:8], "big") + 0.5) / 2**64
    return -offer.routing.weight / math.log(uniform)
