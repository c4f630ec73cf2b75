"""What each event says, in whatever order it comes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import respx

from processors.errors import CallError
from processors.events import EventKind, MoneyMoved, Replacement
from processors.gocardless.client import GoCardlessAdapter
from processors.gocardless.declared import DISPUTES
from processors.gocardless.events import CREDITOR_KINDS, MANDATE_ACTIONS, MANDATE_KINDS
from processors.gocardless.history import KINDS, kind_of
from processors.gocardless.returns import KINDS as REFUND_KINDS
from processors.gocardless.wire import ApiEvent
from processors.money import Money
from processors.outcome import (
    Canceled,
    DeclineClass,
    Declined,
    Pending,
    RefundFailed,
    RefundPending,
    RefundSucceeded,
    Succeeded,
)
from processors.values import Card, Secret
from tests.processors.gocardless.conftest import (
    ACCOUNT,
    MANDATE,
    bank_account,
    batch,
    error,
    event,
    failed,
    mandate,
    one,
    page,
    payment,
    refund,
    told,
    when,
)

BODY = batch(event("confirmed", 1), event("paid_out", 2))
TAKEN = Money(1050, "gbp")


# Payments


@pytest.fixture
def shows(api: respx.MockRouter) -> Any:
    """GoCardless shows a payment as it stands now, with all that happened to it."""

    def mock(status: str, *history: dict[str, Any], **changed: Any) -> None:
        api.get("/payments/PM123").mock(return_value=one("payments", payment(status, **changed)))
        if not changed:
            api.get("/events", params={"payment": "PM123"}).mock(return_value=page("events", *history))

    return mock


@pytest.mark.parametrize(
    ("shown", "kind", "outcome"),
    [
        (event("created"), EventKind.CHARGE_PENDING, Pending),
        (event("submitted"), EventKind.CHARGE_PENDING, Pending),
        (event("customer_approval_granted"), EventKind.CHARGE_PENDING, Pending),
        (event("resubmission_requested"), EventKind.CHARGE_PENDING, Pending),
        (event("confirmed"), EventKind.CHARGE_SUCCEEDED, Succeeded),
        (event("paid_out"), EventKind.CHARGE_SETTLED, Succeeded),
        (failed(), EventKind.CHARGE_FAILED, Declined),
        (event("customer_approval_denied"), EventKind.CHARGE_FAILED, Declined),
        (event("cancelled", details={"cause": "payment_cancelled"}), EventKind.CHARGE_FAILED, Canceled),
        (event("cancelled", details={"cause": "bank_account_closed"}), EventKind.CHARGE_FAILED, Declined),
        (failed(will_attempt_retry=True), EventKind.CHARGE_PENDING, Pending),
    ],
)
async def test_what_an_event_of_a_payment_proves(
    adapter: GoCardlessAdapter, shows: Any, shown: Any, kind: EventKind, outcome: type[Any]
) -> None:
    """Whatever has become of it since."""
    shows("charged_back", shown)
    said = await told(adapter, shown)
    assert (said.kind, type(said.outcome)) == (kind, outcome)
    assert (said.reference, said.processor_id, said.account_ref) == ("in_1.1", "PM123", ACCOUNT)
    assert (said.event_id, said.detail) == ("EV1", f"payments.{shown['action']}")
    assert said.occurred_at == when(1)


async def test_a_success_is_as_old_as_its_event(adapter: GoCardlessAdapter, shows: Any) -> None:
    shows("confirmed", event("confirmed", 4))
    assert (await told(adapter, event("confirmed", 4))).outcome == Succeeded("PM123", TAKEN, when(4))


async def test_a_failure_after_the_money_came_takes_it_back(adapter: GoCardlessAdapter, shows: Any) -> None:
    late = failed(3, "refer_to_payer")
    shows("failed", event("submitted", 1), event("confirmed", 2), late)
    said = await told(adapter, late)
    assert (said.kind, said.outcome) == (EventKind.CHARGE_REVERSED, None)
    assert said.moved == MoneyMoved(Money(-1050, "gbp"), "EV3", when(3))
    assert said.decline is not None
    assert said.decline.decline_class is DeclineClass.INSUFFICIENT_FUNDS


async def test_a_late_failure_that_no_list_shows_yet(adapter: GoCardlessAdapter, shows: Any) -> None:
    shows("failed", event("confirmed", 2))
    assert (await told(adapter, failed(3))).kind is EventKind.CHARGE_REVERSED


async def test_events_of_one_moment_stand_in_the_lists_order(adapter: GoCardlessAdapter, shows: Any) -> None:
    late = failed(3)
    shows("failed", {**event("confirmed", 2), "created_at": late["created_at"]}, late)
    assert (await told(adapter, late)).kind is EventKind.CHARGE_REVERSED


async def test_a_chargeback_and_its_end(adapter: GoCardlessAdapter, shows: Any) -> None:
    back = event("charged_back", 3, details={"cause": "authorisation_disputed", "origin": "bank"})
    again = event("chargeback_cancelled", 4)
    shows("paid_out", event("confirmed", 1), event("paid_out", 2), back, again)
    taken, returned = await told(adapter, back), await told(adapter, again)
    assert (taken.kind, returned.kind) == (EventKind.CHARGE_REVERSED, EventKind.CHARGE_REINSTATED)
    assert taken.moved == MoneyMoved(Money(-1050, "gbp"), "EV3", when(3))
    assert returned.moved == MoneyMoved(TAKEN, "EV4", when(4))
    assert taken.decline is not None
    assert (taken.decline.decline_class, returned.decline) == (DeclineClass.FRAUD, None)


def test_a_payment_that_is_tried_again_in_the_dashboard() -> None:
    """The same payment may come in, go, and come in again."""
    shown = [
        event("submitted", 1),
        failed(2),
        event("resubmission_requested", 3),
        event("confirmed", 4),
        failed(5),
        event("resubmission_requested", 6),
        event("confirmed", 7),
        event("charged_back", 8),
        event("chargeback_cancelled", 9),
        event("charged_back", 10),
    ]
    history = [ApiEvent(one["id"], when(number), "payments", one["action"]) for number, one in enumerate(shown, 1)]
    assert [kind_of(one, history).value for one in history] == [
        "charge.pending",
        "charge.failed",
        "charge.pending",
        "charge.succeeded",
        "charge.reversed",
        "charge.pending",
        "charge.reinstated",
        "charge.reversed",
        "charge.reinstated",
        "charge.reversed",
    ]


async def test_a_payment_made_past_us_is_ignored(adapter: GoCardlessAdapter, shows: Any) -> None:
    shows("confirmed", metadata={"order": "7"})
    said = await told(adapter, event("confirmed"))
    assert (said.kind, said.detail) == (
        EventKind.IGNORED,
        "payments.confirmed: of a payment that was made past us",
    )


async def test_another_creditors_payment_names_its_receiver(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    shown = payment(links={"creditor": "CR9", "mandate": "MD9"})
    api.get("/payments/PM123").mock(return_value=one("payments", shown))
    api.get("/events").mock(return_value=page("events", event("confirmed")))
    assert (await told(adapter, event("confirmed"))).account_ref == "CR9"


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.Response(404), httpx.ConnectError("refused")])
async def test_an_event_whose_payment_can_not_be_seen_waits(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: Any
) -> None:
    api.get("/payments/PM123").mock(side_effect=[answer])
    with pytest.raises(CallError):
        await told(adapter, event("confirmed"))


# Refunds


@pytest.mark.parametrize(
    ("action", "kind", "outcome"),
    [
        ("created", EventKind.REFUND_CREATED, RefundPending("RF123", Money(350, "gbp"))),
        ("paid", EventKind.REFUND_SUCCEEDED, RefundSucceeded("RF123", Money(350, "gbp"), when(1))),
        (
            "failed",
            EventKind.REFUND_FAILED,
            RefundFailed("RF123", Money(350, "gbp"), "payment_failed", "Made up."),
        ),
        (
            "funds_returned",
            EventKind.REFUND_REVERSED,
            RefundFailed("RF123", Money(350, "gbp"), "payment_funds_returned", "Made up."),
        ),
    ],
)
@pytest.mark.parametrize("external", [False, True])
async def test_what_an_event_of_a_refund_proves(
    adapter: GoCardlessAdapter, api: respx.MockRouter, action: str, kind: EventKind, outcome: Any, external: bool
) -> None:
    shown = refund("paid", metadata={} if external else {"tollbridge_reference": "rfd_1.1"})
    api.get("/refunds/RF123").mock(return_value=one("refunds", shown))
    api.get("/payments/PM123").mock(return_value=one("payments", payment("paid_out")))
    said = await told(adapter, event(action, resource="refunds"))
    assert said.refund is not None
    assert (said.kind, said.refund.outcome) == (kind, outcome)
    assert (said.refund.reference, said.refund.external) == ("" if external else "rfd_1.1", external)
    assert (said.reference, said.processor_id, said.account_ref) == ("in_1.1", "PM123", ACCOUNT)


async def test_a_refund_of_no_payment_is_ignored(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.get("/refunds/RF123").mock(return_value=one("refunds", refund(links={"mandate": MANDATE})))
    assert (await told(adapter, event("created", resource="refunds"))).kind is EventKind.IGNORED


async def test_a_refund_of_anothers_payment_is_ignored(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.get("/refunds/RF123").mock(return_value=one("refunds", refund(metadata={})))
    api.get("/payments/PM123").mock(return_value=one("payments", payment(metadata={})))
    assert (await told(adapter, event("created", resource="refunds"))).kind is EventKind.IGNORED


# Mandates


@pytest.mark.parametrize("origin", ["api", "bank", "customer", "gocardless"])
@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [
        ("active", "active", EventKind.METHOD_ACTIVATED),
        ("cancelled", "cancelled", EventKind.METHOD_REVOKED),
        ("failed", "failed", EventKind.METHOD_REVOKED),
        ("blocked", "blocked", EventKind.METHOD_REVOKED),
        ("expired", "expired", EventKind.METHOD_EXPIRED),
        ("consumed", "consumed", EventKind.METHOD_EXPIRED),
        ("suspended", "suspended_by_payer", EventKind.METHOD_SUSPENDED),
        # Told late: it is as it is now.
        ("cancelled", "active", EventKind.METHOD_ACTIVATED),
        ("reinstated", "cancelled", EventKind.METHOD_REVOKED),
        ("transferred", "cancelled", EventKind.METHOD_REVOKED),
        ("cancelled", "of_tomorrow", EventKind.IGNORED),
    ],
)
async def test_what_an_event_of_a_mandate_says(
    adapter: GoCardlessAdapter, api: respx.MockRouter, origin: str, action: str, status: str, kind: EventKind
) -> None:
    api.get(f"/mandates/{MANDATE}").mock(return_value=one("mandates", mandate(status)))
    said = await told(adapter, event(action, resource="mandates", details={"origin": origin, "cause": "x"}))
    assert said.token is not None
    assert (said.kind, said.token.reveal(), said.account_ref) == (kind, MANDATE, ACCOUNT)


async def test_a_mandate_that_lives_again_is_shown_whole(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.get(f"/mandates/{MANDATE}").mock(return_value=one("mandates", mandate("active", customer_bank_account="BA9")))
    api.get("/customer_bank_accounts/BA9").mock(return_value=one("customer_bank_accounts", bank_account("99")))
    said = await told(adapter, event("reinstated", resource="mandates"))
    assert (said.kind, said.token, said.replacement and said.replacement.card.last4) == (
        EventKind.METHOD_ACTIVATED,
        Secret(MANDATE),
        "99",
    )


@pytest.mark.parametrize("action", ["replaced", "cancelled"])
async def test_a_mandate_that_another_replaces(adapter: GoCardlessAdapter, api: respx.MockRouter, action: str) -> None:
    api.get(f"/mandates/{MANDATE}").mock(return_value=one("mandates", mandate("cancelled", new_mandate="MD9")))
    new = {**mandate("active", customer_bank_account="BA9"), "id": "MD9"}
    api.get("/mandates/MD9").mock(return_value=one("mandates", new))
    api.get("/customer_bank_accounts/BA9").mock(return_value=one("customer_bank_accounts", bank_account("99")))
    links = {"mandate": MANDATE} | ({"new_mandate": "MD9"} if action == "replaced" else {})
    said = await told(adapter, event(action, resource="mandates", links=links))
    assert said.token is not None
    assert (said.kind, said.token.reveal()) == (EventKind.METHOD_REPLACED, MANDATE)
    assert isinstance(said.replacement, Replacement)
    assert said.replacement.method.token.reveal() == "MD9"
    assert said.replacement.card == Card(brand="bacs", last4="99", label="EXAMPLE BANK •••• 99")


async def test_a_mandate_that_follows_its_payer_to_another_bank(
    adapter: GoCardlessAdapter, api: respx.MockRouter
) -> None:
    api.get(f"/mandates/{MANDATE}").mock(return_value=one("mandates", mandate("submitted")))
    api.get("/customer_bank_accounts/BA123").mock(return_value=one("customer_bank_accounts", bank_account("77")))
    said = await told(adapter, event("transferred", resource="mandates"))
    assert said.kind is EventKind.METHOD_REPLACED
    assert isinstance(said.replacement, Replacement)
    assert (said.replacement.method.token.reveal(), said.replacement.card.last4) == (MANDATE, "77")


async def test_an_event_whose_mandate_can_not_be_seen_waits(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.get(f"/mandates/{MANDATE}").mock(return_value=error("resource_not_found", 404))
    with pytest.raises(CallError):
        await told(adapter, event("cancelled", resource="mandates"))


# The rest


@pytest.mark.parametrize(
    ("action", "kind"),
    [("account_auto_frozen", EventKind.ACCOUNT_LOCKED), ("account_auto_frozen_reverted", EventKind.ACCOUNT_UNLOCKED)],
)
async def test_the_merchants_account_is_locked(adapter: GoCardlessAdapter, action: str, kind: EventKind) -> None:
    said = await told(adapter, event(action, resource="creditors", links={"creditor": "CR9"}))
    assert (said.kind, said.account_ref) == (kind, "CR9")


@pytest.mark.parametrize(
    ("resource", "action"),
    [
        ("payments", "late_failure_settled"),
        ("payments", "chargeback_settled"),
        ("payments", "surcharge_fee_debited"),
        ("payments", "of_tomorrow"),
        ("refunds", "refund_settled"),
        ("mandates", "created"),
        ("mandates", "submitted"),
        ("payouts", "paid"),
        ("billing_requests", "fulfilled"),
        ("creditors", "updated"),
        ("of_tomorrow", "created"),
    ],
)
async def test_what_moves_nothing_is_ignored_by_name(adapter: GoCardlessAdapter, resource: str, action: str) -> None:
    said = await told(adapter, event(action, resource=resource))
    assert (said.kind, said.detail) == (EventKind.IGNORED, f"{resource}.{action}")


def test_every_kind_of_event_is_told_or_impossible(adapter: GoCardlessAdapter) -> None:
    moves = {EventKind.CHARGE_REVERSED, EventKind.METHOD_REPLACED, EventKind.IGNORED}
    tables = (KINDS, REFUND_KINDS, MANDATE_KINDS, CREDITOR_KINDS)
    assert adapter.capabilities.events == moves | {kind for table in tables for kind in table.values()}
    assert adapter.capabilities.impossible_events == DISPUTES
    assert {"replaced", "transferred", "suspended"} <= MANDATE_ACTIONS


async def test_what_was_told_is_told_again_page_by_page(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    """Law 9: of a debit that was taken back while nobody heard GoCardless, nothing else would tell."""
    taken = event("charged_back", 2)
    listed = api.get("/events", params={"created_at[gte]": "2026-11-20T09:01:00.000Z"})
    listed.side_effect = [
        page("events", taken, event("created", 3, "customers"), after="EV3"),
        page("events", event("cancelled", 1, "mandates")),
    ]
    api.get("/events", params={"payment": "PM123"}).mock(return_value=page("events", taken, event("confirmed", 1)))
    api.get("/payments/PM123").mock(return_value=one("payments", payment("charged_back")))
    api.get(f"/mandates/{MANDATE}").mock(return_value=one("mandates", mandate("cancelled", creditor="CR_OTHER")))
    first = await adapter.poll(when(1))
    assert [(said.kind, said.event_id) for said in first.events] == [(EventKind.CHARGE_REVERSED, "EV2")]
    rest = await adapter.poll(when(1), first.cursor)
    assert (rest.events, rest.cursor) == ((), ""), "the mandate is another creditor's"
    assert [call.request.url.params.get("after") for call in listed.calls] == [None, "EV3"]


async def test_no_file_is_read(adapter: GoCardlessAdapter) -> None:
    assert await adapter.settlements(when(1).date()) == ()
    with pytest.raises(CallError):
        await adapter.settlement("PO123")
