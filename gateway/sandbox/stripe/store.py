"""The state of one Stripe account: its objects as Stripe shows them, and the indexes that keep lookups short.

An object is a plain dict in the shape of 2026-08-26.dahlia. Keys that begin with ``_`` are the sandbox's own notes
and are never shown. References are ids; `render.py` expands them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.sandbox.stripe.errors import invalid, missing
from gateway.sandbox.stripe.events import EventRow, record
from gateway.sandbox.stripe.objects import API_VERSION, Obj
from gateway.sandbox.stripe.settings import Dunning
from gateway.sandbox.stripe.thin_events import ThinEvent

if TYPE_CHECKING:
    from gateway.sandbox.kit.clock import Clock
    from gateway.sandbox.kit.idempotency import Replies
    from gateway.sandbox.stripe.refused_usage import RefusedUsage
    from gateway.sandbox.stripe.usage import Usage
    from gateway.sandbox.stripe.webhooks import Webhooks

T = TypeVar("T")


class Collection(dict[str, T], Generic[T]):
    """Objects by id, in the order of their making; a page is found by bisection."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.order: list[str] = []
        self.place: dict[str, int] = {}
        self._first = 0

    def add(self, id: str, item: T) -> T:
        self.place[id] = len(self.order)
        self.order.append(id)
        self[id] = item
        return item

    def drop_oldest(self, keep: Callable[[T], bool]) -> None:
        """Forget from the front what is not to be kept; the cursor makes this constant per object."""
        while self._first < len(self.order):
            id = self.order[self._first]
            if id in self:
                if keep(self[id]):
                    return
                del self[id]
            self._first += 1

    def need(self, id: str, param: str | None = None) -> T:
        """The object, or Stripe's resource_missing: 404 for the path, 400 when a parameter names it."""
        found = self.get(id)
        if found is None:
            raise missing(self.kind, id) if param is None else missing(self.kind, id, param=param, status=400)
        return found

    def page(
        self,
        params: Obj,
        keep: Callable[[T], bool] | None = None,
        ids: Sequence[str] | None = None,
    ) -> tuple[list[T], bool]:
        """One page, newest first: `limit` 1 to 100 (10), `starting_after`, `ending_before`; and whether more follow."""
        limit = params.get("limit", 10)
        if not 1 <= limit <= 100:
            raise invalid("Invalid integer: limit must be between 1 and 100.", param="limit")
        ids = self.order if ids is None else ids
        after, before = params.get("starting_after"), params.get("ending_before")
        walk: Iterable[int] = range(len(ids) - 1, -1, -1)
        if after is not None:
            walk = range(self._cursor(ids, after, "starting_after") - 1, -1, -1)
        elif before is not None:
            at = self._cursor(ids, before, "ending_before")
            walk = range(at + (at < len(ids) and ids[at] == before), len(ids))
        found: list[T] = []
        for at in walk:
            item = self.get(ids[at])
            if item is None or (keep is not None and not keep(item)):
                continue
            if len(found) == limit:
                return (found[::-1] if before is not None and after is None else found), True
            found.append(item)
        return (found[::-1] if before is not None and after is None else found), False

    def _cursor(self, ids: Sequence[str], id: str, param: str) -> int:
        place = self.place.get(id)
        if place is None:
            raise missing(self.kind, id, param=param, status=400)
        return bisect_left(ids, place, key=self.place.__getitem__)


class Account:
    """One isolated Stripe account.

    Settings a test may change: `api_version` (the default rendering of events), `country`, `name`,
    `default_currency`, `sends_invoice_mails` (the Dashboard switch), `upcoming_days` (how long before a renewal
    invoice.upcoming comes; 0 is never), `void_returns_balance`, `oob_makes_payment_record` (facts that Stripe's
    documents leave open, see `payments.py`), `dunning` (the Dashboard's rules for what stays unpaid),
    `third_party_processing` (Payment Records, which Stripe enables account by account), `test_clock_advances_s`
    (sandbox seconds that an advancing test clock refuses changes after its work is done), `search_lag_s` (sandbox
    seconds until search knows of a change).
    """

    def __init__(  # noqa: PLR0915
        self, id: str, clock: Clock, webhooks: Webhooks, replies: Replies, v2_replies: Replies
    ) -> None:
        self.id = id
        self.sandbox_clock = clock
        self.clock = clock  # the one in force: `times.py`
        self.webhooks = webhooks
        self.replies, self.v2_replies = replies, v2_replies
        self.api_version = API_VERSION
        self.country, self.name, self.default_currency = "DE", "Sandbox GmbH", "eur"
        self.sends_invoice_mails = False
        self.void_returns_balance = True
        self.oob_makes_payment_record = False
        self.test_clock_advances_s = 0
        self.search_lag_s = 0
        self.upcoming_days = 0
        self.previewing = False  # only in the shadow of an account, see `shadow.py`
        self.third_party_processing = True
        self.dunning = Dunning()
        self.base_url = "http://localhost"  # where this server is reached, for the addresses of its pages
        self.created = clock.now()
        self.request: tuple[str | None, str | None] = (None, None)  # the id and idempotency key of the call running now

        self.products: Collection[Obj] = Collection("product")
        self.prices: Collection[Obj] = Collection("price")
        self.tax_rates: Collection[Obj] = Collection("tax rate")
        self.coupons: Collection[Obj] = Collection("coupon")
        self.meters: Collection[Obj] = Collection("billing meter")
        self.promotion_codes: Collection[Obj] = Collection("promotion code")
        self.discounts: Collection[Obj] = Collection("discount")
        self.customers: Collection[Obj] = Collection("customer")
        self.subscriptions: Collection[Obj] = Collection("subscription")
        self.subscription_schedules: Collection[Obj] = Collection("subscription schedule")
        self.subscription_items: Collection[Obj] = Collection("subscription item")  # removed ones too, see `_removed`
        self.invoices: Collection[Obj] = Collection("invoice")
        self.previews: Collection[Obj] = Collection("invoice")  # the last ones, for their lines
        self.invoice_items: Collection[Obj] = Collection("invoiceitem")
        self.invoice_payments: Collection[Obj] = Collection("invoice_payment")
        self.payment_intents: Collection[Obj] = Collection("payment_intent")
        self.payment_methods: Collection[Obj] = Collection("PaymentMethod")
        self.setup_intents: Collection[Obj] = Collection("setupintent")
        self.charges: Collection[Obj] = Collection("charge")
        self.refunds: Collection[Obj] = Collection("refund")
        self.disputes: Collection[Obj] = Collection("dispute")
        self.payment_records: Collection[Obj] = Collection("payment record")
        self.payment_attempts: Collection[Obj] = Collection("payment attempt record")
        self.balance_transactions: Collection[Obj] = Collection("customer balance transaction")
        self.portal_sessions: Collection[Obj] = Collection("session")
        self.credit_notes: Collection[Obj] = Collection("credit note")
        self.webhook_endpoints: Collection[Obj] = Collection("webhook endpoint")
        self.portal_configurations: Collection[Obj] = Collection("configuration")
        self.test_clocks: Collection[Obj] = Collection("test clock")
        self.event_destinations: Collection[Obj] = Collection("event destination")
        self.events: Collection[EventRow] = Collection("event")
        self.thin_events: Collection[ThinEvent] = Collection("event")

        self.invoices_of_customer: dict[str, list[str]] = defaultdict(list)
        self.invoices_of_subscription: dict[str, list[str]] = defaultdict(list)
        self.subscriptions_of_customer: dict[str, list[str]] = defaultdict(list)
        self.payments_of_invoice: dict[str, list[str]] = defaultdict(list)
        self.methods_of_customer: dict[str, list[str]] = defaultdict(list)
        self.balance_transactions_of_customer: dict[str, list[str]] = defaultdict(list)
        self.credit_notes_of_invoice: dict[str, list[str]] = defaultdict(list)
        self.items_of_customer: dict[str, list[str]] = defaultdict(list)
        self.drafts_of_customer: dict[str, dict[str, None]] = defaultdict(dict)
        self.pending_items: dict[str, dict[str, None]] = defaultdict(dict)  # customer -> items on no invoice
        self.unsearchable: deque[tuple[int, str, Obj | None]] = deque()  # time, id, and what was before; see search.py
        self.meter_events: dict[str, Obj] = {}  # by identifier, those of the last 24 hours
        self.refused_usage: list[RefusedUsage] = []
        self.usage: dict[tuple[str, str], list[Usage]] = defaultdict(list)  # (meter, customer) -> events by time
        self.usage_count = 0
        self.hosted: dict[str, str] = {}  # the secret part of a page's address -> the object that it shows
        self.numbers: dict[str, int] = defaultdict(int)

    def now(self) -> int:
        """Unix seconds of the clock in force."""
        return self.clock.now()

    def find(self, id: str) -> Obj | None:
        """Any stored object by its id."""
        for collection in vars(self).values():
            if isinstance(collection, Collection) and isinstance(found := collection.get(id), dict):
                return found
        return None

    def changed(self, obj: Obj, before: Obj | None) -> None:
        """Note a change that search does not know of yet; `before` is None for what is new."""
        if self.search_lag_s:
            self.forget_searchable()
            self.unsearchable.append((self.sandbox_clock.now(), str(obj.get("id", "")), before))

    def forget_searchable(self) -> None:
        """Drop the changes that search knows by now."""
        known = self.sandbox_clock.now() - self.search_lag_s
        while self.unsearchable and self.unsearchable[0][0] <= known:
            self.unsearchable.popleft()

    def send_event(self, type: str, obj: Obj, previous: Obj | None = None) -> EventRow:
        """Make and deliver an event of any type, also one that the sandbox would never make itself."""
        return record(self, type, obj, previous)
