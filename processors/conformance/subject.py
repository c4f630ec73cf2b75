"""What an adapter's author writes: how its processor answers, as recorded shapes, and little code.

A `Subject` is data. Every shape that the kit asks for has its field and few have a default, so that what was forgotten
is a TypeError at import; what a processor can't say is `Impossible` with its reason, which the report repeats. Shapes
are about the one charge, refund and set-up that the kit asks for: `REFERENCE`, `AMOUNT`, `REFUND_REFERENCE` and so on.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias

import httpx

from processors.address import PayerAddress
from processors.conformance.descriptions import Description
from processors.events import EventKind, RawDelivery, Reply
from processors.interface import ProcessorAdapter
from processors.money import Money
from processors.outcome import RefundRefusal
from processors.settlements import Settlement
from processors.values import MethodState, PaymentMethodReference

REFERENCE: Final = "in_1KitKitKitKitKitKitKitKit.1"
"""Ours for the charge, as the gateway makes it: a Stripe invoice and the number of the attempt."""
ANOTHER: Final = "in_1KitKitKitKitKitKitKitKit.2"
"""Of a charge about which nothing is recorded."""
REFUND_REFERENCE: Final = "rfd_01kq3v8m2rf1e8w7d5c4b3a2z1"
ANOTHER_REFUND: Final = "rfd_01kq3v8m2rf1e8w7d5c4b3a2z9"
"""Of a refund about which nothing is recorded."""
SETUP_REFERENCE: Final = "pms_01kq3v8m2rf1e8w7d5c4b3a2z2"
CUSTOMER: Final = "cus_KitKitKitKit01"
ADDRESS: Final = PayerAddress("US", "94103", "CA", "San Francisco", "Kit Street 548")
AMOUNT: Final = 1050
"""Of the charge, in Stripe's minor units of the subject's currency."""
PART: Final = 350
"""Of a refund of a part."""
WAIT_S: Final = 7
"""How long a call that is turned away is told to wait."""
STORED: Final = Reply()
REFUSED: Final = Reply(400, "")
WEBHOOK_URL: Final = "https://tollbridge.example/webhooks/kit/kit"
"""The connection's address at the gateway, to which notifications must go."""
DECLINE_MESSAGE: Final = "The kit has declined this."


def key(what: str) -> str:
    """An idempotency key as the gateway makes it: a UUID, the same each time."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tollbridge-conformance:{what}"))


def address_as(**names: str) -> dict[str, str]:
    """`ADDRESS` under a processor's own names of its parts."""
    return {theirs: getattr(ADDRESS, ours) for ours, theirs in names.items()}


@dataclass(frozen=True)
class Impossible:
    """The processor can't do or say this; the report repeats why."""

    why: str


@dataclass(frozen=True)
class Says:
    """One answer of the processor.

    `body` is sent as it is if bytes, else as JSON; a function makes it from the request. `on` is a regular expression
    that is searched for in `METHOD /path?query` and, on the next line, the request's body; empty: any call. The first
    answer that fits and wasn't given yet is given; once all that fit were, the last of them again.
    """

    body: object = b""
    status: int = 200
    on: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


Script: TypeAlias = Says | tuple[Says, ...]
Shape: TypeAlias = Script | Impossible


@dataclass(frozen=True)
class Told:
    """A notification: `item` is what `Webhooks.deliver` puts into a delivery, `fetched` what parsing it asks for."""

    item: Any
    fetched: Script = ()


@dataclass(frozen=True)
class LookedUp:
    """A state of the charge that its look-up shows."""

    script: Script


class Key(Enum):
    """With what a delivery is signed."""

    CURRENT = "current"
    PREVIOUS = "previous"
    WRONG = "wrong"
    ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Answers to the check of a connection whose credentials are good, by what they show of its webhook.

    `wrong` has a name for each fault. Where the processor shows nothing of a webhook, `proved` is impossible.
    """

    proved: Shape
    unseen: Shape
    wrong: Mapping[str, Script] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Charges:
    """Answers to the charge, unless it's said otherwise.

    `declined` makes the answer that carries a decline code: to the charge itself, or where the processor shows it.
    `echo` is a success of the amount that the request names, in the words in which it names it. `again` answers the
    same bytes under a used key; `in_use` says that something exists already and not what came of it.
    """

    succeeded: Shape
    pending: Shape
    requires_action: Shape
    declined: Callable[[str], Script | LookedUp | Told]
    rejected: Script
    another_amount: Shape
    another_reference: Shape
    echo: Shape
    again: Script
    in_use: Shape
    unauthorized: Script = Says({}, 401)
    turned_away: Script = Says({}, 429, headers={"retry-after": str(WAIT_S)})
    unread: Mapping[str, Script] = field(default_factory=dict)
    """Further answers, by their name, that prove that nothing was done: a limit that is told with a 200."""
    unclear: Mapping[str, Script] = field(default_factory=dict)
    """Further answers, by their name, after which nobody knows: errors in a body that came with 200."""


@dataclass(frozen=True, kw_only=True)
class Lookups:
    """Answers to the look-up of the charge; `found` has succeeded. `of_another`: of a charge that isn't ours."""

    found: Shape
    pending: Shape
    missing: Shape
    of_another: Shape
    several: Shape


@dataclass(frozen=True, kw_only=True)
class Cancels:
    """Answers to the withdrawal of a pending charge, and to one that came too late: it has succeeded."""

    done: Shape
    too_late: Shape


@dataclass(frozen=True, kw_only=True)
class Refunds:
    """Answers to the refund. `full` and `part` say what `capabilities.refunds.mode` declares: done, or accepted."""

    full: Shape
    part: Shape
    refused: Mapping[RefundRefusal, Script]
    another_amount: Shape
    another_reference: Shape = Impossible("no answer about another refund is recorded")
    again: Shape
    found: Shape
    missing: Shape
    listed: Shape
    """A refund of ours and one that somebody made at the processor."""
    amount: Callable[[httpx.Request], object] | None = None
    """Reads the amount from the request of a refund, where it stands elsewhere than in that of a charge."""


@dataclass(frozen=True, kw_only=True)
class Setups:
    """Answers to a set-up. `client` is what the processor's client code gave the browser in the end."""

    begun: Script
    pending: Shape
    ready: Script
    failed: Shape
    client: Mapping[str, str] = field(default_factory=dict)
    processor_ref: str


@dataclass(frozen=True, kw_only=True)
class Methods:
    """Answers about the stored method: each state, its withdrawal, that of one that is gone, the payer's address."""

    states: Mapping[MethodState, Shape]
    revoked: Script
    gone: Shape
    addresses: Addresses | Impossible


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Answers about the payer's address: `kept` shows `ADDRESS`; with `none` there is a method, and no address."""

    kept: Script
    none: Script
    unknown: Script


@dataclass(frozen=True, kw_only=True)
class Settlements:
    """Answers to the list of settlement files, and to one of them.

    `settlement` is what is read of that file, in all decimals that the currencies have. `broken` has a name for each
    fault by which the file is refused whole: rows that don't balance, one that can't be read.
    """

    settlement: Settlement
    listed: Script
    file: Script
    broken: Mapping[str, Script]
    another: Script
    """An answer about another file."""
    missing: Script


@dataclass(frozen=True, kw_only=True)
class Webhooks:
    """Notifications, by what they tell, and how they are delivered.

    `previous` are the credentials of a connection that also takes the previous key. `changed` is a text in a signed
    field and what it's changed to, where not every byte is signed; its last occurrence is changed.
    """

    deliver: Callable[[tuple[Any, ...], Key], RawDelivery]
    told: Mapping[EventKind, Told | Impossible]
    previous: Mapping[str, str] | Impossible
    also: tuple[Told, ...] = ()
    """More notifications, told apart from all others; at least one of a kind that stands above."""
    changed: tuple[bytes, bytes] | None = None
    takes_repeated_header: bool = False
    """Whether one good signature is enough where its header comes twice, as during a change of the key."""
    stored: Reply = STORED
    refused: Reply = REFUSED
    tried: tuple[RawDelivery, Reply] | Impossible = Impossible("the processor does not try an address")


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """One adapter, ready to be tried.

    `always` are answers to calls that may stand before any other, such as that for a bearer token. `amount` reads the
    amount from the request of a charge, as it stands there; `wire` says how some amounts must stand there, one at least
    for each number of decimals that the currencies have. `secrets` are further texts that must show nowhere.
    """

    adapter: type[ProcessorAdapter]
    credentials: Mapping[str, str]
    options: Mapping[str, str]
    descriptions: tuple[Description, ...]
    account: str
    checks: Checks
    account_ref: str = ""
    method: PaymentMethodReference
    charge_id: str
    refund_id: str
    currency: str = "eur"
    amount: Callable[[httpx.Request], object]
    wire: Mapping[Money, object]
    inexpressible: tuple[Money, ...]
    charges: Charges
    lookups: Lookups
    cancels: Cancels | Impossible
    refunds: Refunds | Impossible
    setups: Setups
    methods: Methods
    webhooks: Webhooks
    polled: Shape
    settlements: Settlements | Impossible
    always: tuple[Says, ...] = ()
    secrets: tuple[str, ...] = ()
    unsaid: Mapping[str, str] = field(default_factory=dict)
    """Scenarios in which something else was asked for than is answered, and what the processor's answers leave out, so
    that nobody can tell: `{"refund: an answer about another charge": "they do not name it"}`."""

    @property
    def name(self) -> str:
        return self.adapter.name

    @property
    def recorded(self) -> tuple[Told, ...]:
        """Every notification, in the order of the kinds: a mapping made from a set has another one in each process."""
        told = (self.webhooks.told.get(kind) for kind in EventKind)
        return (*(one for one in told if isinstance(one, Told)), *self.webhooks.also)
