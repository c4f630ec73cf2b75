"""The doctor against an account that is broken in each way that it can name: well before, broken, seen."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from db import sql
from db.encryption import Keyring, generate_key
from gateway.doctor import examine as module
from gateway.doctor.examine import examine
from gateway.doctor.patient import Patient
from gateway.doctor.secrets import look_at_keys
from gateway.domain.doctor import Finding, Level
from gateway.inbox.table import depended_on
from tests.api.seed import add_case, insert
from tests.doctor.breaks import (
    REFUSED,
    Break,
    account,
    both,
    expired_key,
    failing_endpoint,
    lacks,
    lost_and_waiting,
    lost_event,
    mailed,
    no_endpoint,
    now,
    open_case,
    others_processor,
    policies,
    public_url,
    row_of,
    rows,
    second_endpoint,
    two_modes,
    unreadable_secret,
    untold,
    usage,
    waiting_event,
)
from tests.support.inbox import add_account
from tests.support.world import World

ALWAYS = {"clock.business"}
"""The tests move business time, and the doctor says so."""


async def findings(world: World) -> list[Finding]:
    return (await examine(world.runtime, world.shop.account)).findings


def bad(found: list[Finding]) -> list[Finding]:
    return [one for one in found if one.level is not Level.OK and one.check not in ALWAYS]


@dataclass(frozen=True)
class Broken:
    """`by` breaks it, and the finding `check` says `what` at this level."""

    by: Break
    check: str
    level: Level
    what: str


WRONG, NOTICE, UNKNOWN = Level.WRONG, Level.NOTICE, Level.UNKNOWN
CASES = {
    "another account's key": Broken(account("stripe_account", "acct_other"), "key", WRONG, "account is acct_other"),
    "a key that is not bound": Broken(account("stripe_account", ""), "key", NOTICE, "the key opens acct_"),
    "a key that has ended": Broken(expired_key, "key", WRONG, "Stripe refuses the key"),
    "Stripe away": Broken(account("api_base", "http://127.0.0.1:1"), "key", WRONG, "Stripe does not answer"),
    "disabled": Broken(account("enabled", False), "key", NOTICE, "the account is disabled"),
    "its account unreadable": Broken(lacks("accounts_kyc_basic"), "key", UNKNOWN, "rak_accounts_kyc_basic_read"),
    "invoices only read": Broken(lacks("invoice", "read"), "permissions", WRONG, "rak_invoice_write"),
    "no credit notes": Broken(lacks("credit_note"), "permissions", WRONG, "rak_credit_note_write"),
    "no events": Broken(lacks("event"), "permissions", WRONG, "rak_event_read"),
    "no setup intents": Broken(lacks("setup_intent"), "permissions", NOTICE, "rak_setup_intent_write"),
    "no meters": Broken(lacks("meter"), "permissions", NOTICE, "rak_meter_read"),
    "no meter events": Broken(lacks("meter_event", "read"), "permissions", NOTICE, "rak_meter_event_write"),
    "no meters where usage is reported": Broken(both(usage, lacks("meter")), "permissions", WRONG, "rak_meter_read"),
    "endpoints unreadable": Broken(lacks("webhook"), "webhook", UNKNOWN, "may not read"),
    "no endpoint": Broken(no_endpoint, "webhook", WRONG, "no endpoint at all"),
    "endpoint disabled": Broken(row_of("webhook_endpoints", status="disabled"), "webhook", WRONG, "is disabled"),
    "endpoint elsewhere": Broken(
        row_of("webhook_endpoints", url="https://old.example/webhooks/stripe/shop"), "webhook", WRONG, "old.example"
    ),
    "events missing": Broken(
        row_of("webhook_endpoints", enabled_events=["invoice.created"]), "webhook.events", WRONG, "does not want charge"
    ),
    "events missing that others tell": Broken(
        row_of("webhook_endpoints", enabled_events=sorted(depended_on())),
        "webhook.events", NOTICE, "does not want billing.meter",
    ),
    "usage without its thin events": Broken(usage, "webhook.usage", WRONG, "v1.billing.meter.error_report_triggered"),
    "an old version": Broken(
        row_of("webhook_endpoints", api_version="2022-11-15"), "webhook.version", NOTICE, "before 2025-03-31"
    ),
    "two endpoints": Broken(second_endpoint, "webhook.twice", NOTICE, "2 endpoints"),
    "a lost event": Broken(lost_event, "events", WRONG, "1 of Stripe's newest"),
    "another endpoint fails": Broken(waiting_event, "deliveries", NOTICE, "another endpoint"),
    "our endpoint fails": Broken(lost_and_waiting, "deliveries", WRONG, "1 events wait"),
    "a portal for cards": Broken(
        row_of("portal_configurations", features={"payment_method_update": {"enabled": True}}),
        "portal", WRONG, "change their payment method",
    ),
    "a portal for plans": Broken(
        row_of("portal_configurations", features={"subscription_update": {"enabled": True}}), "portal", WRONG, "plans"
    ),
    "a portal for all": Broken(
        row_of("portal_configurations", login_page={"enabled": True, "url": "https://billing.example"}),
        "portal.login", NOTICE, "public login page",
    ),
    "a mailed invoice": Broken(mailed, "invoice_mails", WRONG, "Stripe mailed 1 invoices"),
    "mails may be on": Broken(account("policies", "{}"), "invoice_mails", NOTICE, "still says that they may be"),
    "no public address": Broken(public_url(lambda _: ""), "reachable", NOTICE, "is not set"),
    "nobody at our address": Broken(public_url(lambda _: "http://127.0.0.1:1"), "reachable", UNKNOWN, "not answer"),
    "somebody else there": Broken(public_url(lambda world: world.practice_url), "reachable", WRONG, "answers 404"),
    "a private address": Broken(
        public_url(lambda _: "https://127.0.0.1", private=False), "reachable", WRONG, "not on the public internet"
    ),
    "refused deliveries": Broken(REFUSED, "signatures", NOTICE, "7 deliveries were refused"),
    "deliveries of Stripe's own that are refused": Broken(
        both(lost_and_waiting, REFUSED), "deliveries", WRONG, "are not here, the oldest for"
    ),
    "such as catch-up has brought": Broken(both(waiting_event, REFUSED), "deliveries", WRONG, "has refused 7"),
    "calls turned away": Broken(
        rows(
            "insert into tollbridge.stripe_budget values ($1, 'GET /v1/events', -5, clock_timestamp()) "
            "on conflict (account, operation) do update set calls_left = -5, counted_at = clock_timestamp()",
            "delete from tollbridge.stripe_budget where account = $1",
        ),
        "rate", NOTICE, "GET /v1/events",
    ),
    "too high a rate": Broken(
        policies(stripe_calls_per_second=500), "rate", NOTICE, "500 calls a second, and Stripe by itself 24"
    ),
    "no connection": Broken(
        rows(
            "update tollbridge.connection set enabled = false where account = $1",
            "update tollbridge.connection set enabled = true where account = $1",
        ),
        "connection", WRONG, "no enabled connection",
    ),
    "another's processor account": Broken(others_processor, "connection", WRONG, "not of the one configured"),
    "no worker": Broken(
        rows(
            "delete from tollbridge.worker where $1 <> ''",
            "insert into tollbridge.worker select 'wrk_test', now(), now() + interval '1 hour' where $1 <> ''",
        ),
        "workers", WRONG, "no worker has ever run",
    ),
    "a worker that fell silent": Broken(
        rows(
            "update tollbridge.worker set beat_at = now() - interval '10 minutes' where $1 <> ''",
            "update tollbridge.worker set beat_at = now() + interval '1 hour' where $1 <> ''",
        ),
        "workers", WRONG, "no worker has lived for 10 min",
    ),
    "an invoice that waits": Broken(
        rows(
            "update tollbridge.invoice set due_at = tollbridge.business_now() - interval '2 hours' where account = $1",
            "update tollbridge.invoice set due_at = null where account = $1",
        ),
        "queue.invoice", WRONG, "the first for 2 h",
    ),
    "an inbox that waits": Broken(
        rows(
            "insert into tollbridge.delivery (id, account, source, kind, body, state, received_at) values "
            "('dlv_late', $1, 'stripe', 'x', '', 'stored', tollbridge.business_now() - interval '10 minutes')",
            "delete from tollbridge.delivery where account = $1 and id = 'dlv_late'",
        ),
        "queue.inbox", NOTICE, "1 wait, the first for 10 min",
    ),
    "an inbox that fails": Broken(
        rows(
            "insert into tollbridge.delivery (id, account, source, kind, body, state, tries, try_at, reason, "
            "received_at) values ('dlv_fails', $1, 'stripe', 'x', '', 'stored', 5, now() + interval '1 day', "
            "'HTTP 500', now())",
            "delete from tollbridge.delivery where account = $1 and id = 'dlv_fails'",
        ),
        "queue.inbox.retried", NOTICE, "1 deliveries can't be routed",
    ),
    "events that are not told": Broken(untold, "queue.outbound", WRONG, "1 wait"),
    "the merchant's endpoint": Broken(failing_endpoint, "endpoint", NOTICE, "fails for 60 min"),
    "a walk that fails": Broken(
        rows(
            "insert into tollbridge.catch_up (account, walk, done_to, failing_since, error) values "
            "($1, 'events', now(), now(), 'HTTP 403') on conflict (account, walk, connection) "
            "do update set failing_since = now(), error = 'HTTP 403'",
            "update tollbridge.catch_up set failing_since = null, error = '' where account = $1",
        ),
        "catch_up", WRONG, "the walk events has failed",
    ),
    "a walk that is behind": Broken(
        rows(
            "insert into tollbridge.catch_up (account, walk, done_to) values ($1, 'events', now() - interval '2 days') "
            "on conflict (account, walk, connection) do update set done_to = now() - interval '2 days'",
            "update tollbridge.catch_up set done_to = tollbridge.business_now() where account = $1",
        ),
        "catch_up", NOTICE, "the walk events is 2 d behind",
    ),
    "a secret under a lost key": Broken(unreadable_secret, "encryption", WRONG, "webhook_secret.secret can't be read"),
    "an open case": Broken(open_case, "cases", NOTICE, "1 open: outcome unknown"),
    "too few days": Broken(
        rows(
            "update tollbridge.subscription set days_until_due = 3 where account = $1",
            "update tollbridge.subscription set days_until_due = 10 where account = $1",
        ),
        "days_until_due", NOTICE, "2 of 4 tries fit",
    ),
    "no days at all": Broken(
        rows(
            "update tollbridge.subscription set days_until_due = 0 where account = $1",
            "update tollbridge.subscription set days_until_due = 10 where account = $1",
        ),
        "days_until_due", WRONG, "0 of 4 tries fit",
    ),
    "Stripe charges it": Broken(
        rows(
            "update tollbridge.subscription set collection_method = 'charge_automatically' where account = $1",
            "update tollbridge.subscription set collection_method = 'send_invoice' where account = $1",
        ),
        "collection_method", NOTICE, "Stripe charges 1 subscriptions by itself",
    ),
    "a method at Stripe": Broken(
        row_of("subscriptions", default_payment_method="pm_1"), "default_method", NOTICE, "default payment method for 1"
    ),
    "several billing modes": Broken(two_modes, "billing_mode", NOTICE, "1 classic"),
    "policies that undo each other": Broken(
        policies(returns="case", returns_up_to={"eur": 100}), "policies", NOTICE, "returns_up_to has limits"
    ),
}  # fmt: skip


async def test_a_well_account_is_well(well: World) -> None:
    report = await examine(well.runtime, well.shop.account)
    assert bad(report.findings) == []
    assert report.ok


@pytest.mark.parametrize("case", CASES)
async def test_what_is_broken_is_seen(well: World, case: str) -> None:
    broken = CASES[case]
    assert bad(await findings(well)) == [], "it is well before, whatever others have broken and mended"
    async with broken.by(well):
        found = await findings(well)
    assert [
        one for one in found if one.check == broken.check and one.level is broken.level and broken.what in one.what
    ], list(bad(found))


async def test_payers_who_pay_on_stripes_page_need_no_processor(well: World) -> None:
    """No connection, no ladder, mails of Stripe's, a portal with cards: all is as it should be there."""
    breaks = ("no connection", "no days at all", "a portal for cards")
    async with AsyncExitStack() as all_of_them:
        for case in breaks:
            await all_of_them.enter_async_context(CASES[case].by(well))
        assert {one.check for one in bad(await findings(well))} >= {"connection", "days_until_due", "portal"}
        await all_of_them.enter_async_context(policies(collection="hosted")(well))
        assert bad(await findings(well)) == []


async def test_a_check_that_fails_or_hangs_hides_no_other(well: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: Patient) -> list[Finding]:
        raise RuntimeError("a mistake of ours")

    async def hangs(_: Patient) -> list[Finding]:
        await asyncio.Event().wait()
        raise AssertionError("never")

    monkeypatch.setitem(module.HERE, "cases", fails)
    monkeypatch.setitem(module.AT_STRIPE, "portal", hangs)
    monkeypatch.setattr(module, "CHECK_S", 1.0)
    told = {one.check: one.level for one in bad(await findings(well))}
    assert told == {"cases": Level.UNKNOWN, "portal": Level.UNKNOWN}


async def test_what_is_wrong_with_another_account_is_not_ours(well: World) -> None:
    other = await add_account("other")
    await insert("refused_delivery", account=other, source="stripe", minute=now(), reason="signature_wrong", refused=9)
    await insert("catch_up", account=other, walk="events", done_to=now(), failing_since=now(), error="HTTP 403")
    case = await add_case(other, "att_1")
    assert bad(await findings(well)) == []
    told = {one.check for one in bad((await examine(well.runtime, other)).findings)}
    assert {"key", "signatures", "catch_up", "cases", "encryption"} <= told
    await sql.rows("delete from tollbridge.review_case where id = $1", case)
    for table in ("refused_delivery", "catch_up", "webhook_secret"):
        await sql.rows(f"delete from tollbridge.{table} where account = $1", other)
    await sql.rows("delete from tollbridge.account where id = $1", other)


async def test_keys_that_nothing_is_under_may_go(well: World) -> None:
    keys = well.runtime.keyring
    assert [one.level for one in await look_at_keys(keys)] == [Level.OK]
    two = Keyring.parse(f"new:{generate_key()},old:{generate_key()}", generate_key())
    found = {one.concerns: one for one in await look_at_keys(two)}
    assert (found["old"].level, found["new"].level) == (Level.NOTICE, Level.OK)


async def test_the_doctor_changes_nothing(well: World) -> None:
    account = well.stripe_account()
    before = {kind: len(getattr(account, kind)) for kind in ("customers", "invoices", "subscriptions", "setup_intents")}
    events = len(account.events)
    await findings(well)
    assert {kind: len(getattr(account, kind)) for kind in before} == before
    assert len(account.events) == events
