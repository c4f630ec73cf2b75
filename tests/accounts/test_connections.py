"""Connections: the adapter says which fields there are; credentials are encrypted, merged, and never shown."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from db import cases, sql
from db.engine import DB
from gateway.accounts import connections, declines
from gateway.accounts.accounts import Account, AccountChange, update
from gateway.accounts.audit import Author
from gateway.accounts.connections import ConnectionChange
from gateway.accounts.errors import FieldError, NameTakenError, NotThereError
from gateway.clock import business_now
from gateway.domain.declines import case_subject
from gateway.domain.routing import Bounds, Routing
from gateway.runtime import Runtime
from processors.values import Secret
from tests.db import rows

CREDENTIALS = {"api_key": Secret("hush_key"), "webhook_secret": Secret("hush_secret")}
OPTIONS = {"base_url": "http://127.0.0.1:1", "account": "pa_1"}
WHOLE = ConnectionChange(credentials=CREDENTIALS, options=OPTIONS, currencies=["eur", "usd"], priority=3)


async def test_a_connection_is_added_and_built(runtime: Runtime, by: Author, account: Account) -> None:
    added = await connections.add(runtime, by, account.id, "practice", "practice", WHOLE)
    assert added.credentials == ("api_key", "webhook_secret")
    assert (added.currencies, added.priority, added.record_on) == (("eur", "usd"), 3, "confirmed")
    adapter = await runtime.connections.adapter(account.id, added.id)
    assert adapter.name == "practice"
    assert await connections.listed(account.id) == [added]


async def test_credentials_are_nowhere_but_in_their_column(runtime: Runtime, by: Author, account: Account) -> None:
    added = await connections.add(runtime, by, account.id, "practice", "practice", WHOLE)
    change = ConnectionChange(credentials={"api_key": Secret("hush_new")})
    await connections.update(runtime, by, account.id, added.id, change)
    logged = await sql.rows("select before, after from tollbridge.audit_log")
    stored = await sql.row("select credentials, options from tollbridge.connection")
    assert "hush" not in f"{added!r} {by.changes!r} {[dict(row) for row in logged]!r} {dict(stored or {})!r}"
    assert by.changes[-1].after == {"credentials": {"api_key": "(changed)", "webhook_secret": "(set)"}}


async def test_an_update_merges(runtime: Runtime, by: Author, account: Account) -> None:
    added = await connections.add(runtime, by, account.id, "practice", "practice", WHOLE)
    change = ConnectionChange(
        credentials={"api_key": Secret("new")}, options={"account": "pa_2"}, record_on="settled", enabled=False
    )
    changed = await connections.update(runtime, by, account.id, "practice", change)
    assert changed.options == {"base_url": "http://127.0.0.1:1", "account": "pa_2"}
    assert (changed.currencies, changed.record_on, changed.enabled) == (("eur", "usd"), "settled", False)
    row = await sql.row("select * from tollbridge.connection where id = $1", added.id)
    revealed = {name: secret.reveal() for name, secret in runtime.connections.credentials(row).items()}
    assert revealed == {"api_key": "new", "webhook_secret": "hush_secret"}
    changes = len(by.changes)
    await connections.update(runtime, by, account.id, "practice", change)
    assert len(by.changes) == changes


@pytest.mark.parametrize(
    ("adapter", "change", "param"),
    [
        ("nobody", WHOLE, "adapter"),
        (
            "practice",
            ConnectionChange(credentials={"api_key": Secret("k")}, options=OPTIONS),
            "credentials.webhook_secret",
        ),
        ("practice", ConnectionChange(credentials={**CREDENTIALS, "pin": Secret("1")}), "credentials.pin"),
        (
            "practice",
            ConnectionChange(credentials={**CREDENTIALS, "webhook_secret": Secret("")}),
            "credentials.webhook_secret",
        ),
        ("practice", ConnectionChange(credentials=CREDENTIALS), "options.base_url"),
        ("practice", ConnectionChange(credentials=CREDENTIALS, options={**OPTIONS, "region": "eu"}), "options.region"),
        ("practice", ConnectionChange(credentials=CREDENTIALS, options=OPTIONS, currencies=["EUR"]), "currencies.0"),
        (
            "practice",
            ConnectionChange(credentials=CREDENTIALS, options=OPTIONS, currencies=["eur", "xxx"]),
            "currencies.1",
        ),
    ],
)
async def test_a_wrong_field_is_named(
    runtime: Runtime, by: Author, account: Account, adapter: str, change: ConnectionChange, param: str
) -> None:
    with pytest.raises(FieldError) as caught:
        await connections.add(runtime, by, account.id, "practice", adapter, change)
    assert caught.value.param == param
    assert "hush" not in str(caught.value)


async def test_a_name_is_taken_once_in_an_account(runtime: Runtime, by: Author, account: Account) -> None:
    await connections.add(runtime, by, account.id, "practice", "practice", WHOLE)
    with pytest.raises(NameTakenError):
        await connections.add(runtime, by, account.id, "practice", "practice", WHOLE)
    with pytest.raises(NotThereError):
        await connections.add(runtime, by, "acc_nobody", "practice", "practice", WHOLE)


async def test_stripes_own_name_is_no_connections(runtime: Runtime, by: Author, account: Account) -> None:
    with pytest.raises(FieldError, match="Stripe itself"):
        await connections.add(runtime, by, account.id, "stripe", "practice", WHOLE)


async def test_decline_codes_are_classed_merged_and_noted(runtime: Runtime, by: Author, account: Account) -> None:
    classed = msgspec.structs.replace(WHOLE, declines={"x98": "expired", "x99": "fraud"})
    added = await connections.add(runtime, by, account.id, "practice", "practice", classed)
    assert added.declines == {"x98": "expired", "x99": "fraud"}
    change = ConnectionChange(declines={"x98": None, "do_not_honor": "account_closed"})
    changed = await connections.update(runtime, by, account.id, "practice", change)
    assert changed.declines == {"do_not_honor": "account_closed", "x99": "fraud"}
    noted = by.changes[-1]
    assert (noted.action, noted.before, noted.after) == (
        "connection.updated",
        {"declines": {"x98": "expired", "x99": "fraud"}},
        {"declines": {"do_not_honor": "account_closed", "x99": "fraud"}},
    )
    changes = len(by.changes)
    again = ConnectionChange(declines={"x98": None, "x99": "fraud"})
    await connections.update(runtime, by, account.id, "practice", again)
    assert len(by.changes) == changes


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"x99": "hopeless"}, "declines.x99"),
        ({"": "fraud"}, "declines"),
        ({"x" * 201: "fraud"}, "declines"),
        ({"x\0": "fraud"}, "declines"),
        ({f"x{n}": "fraud" for n in range(501)}, "declines"),
    ],
)
async def test_a_wrong_class_or_code_is_refused(
    runtime: Runtime, by: Author, account: Account, given: dict[str, str], param: str
) -> None:
    await connections.add(runtime, by, account.id, "practice", "practice", WHOLE)
    with pytest.raises(FieldError) as caught:
        await connections.update(runtime, by, account.id, "practice", ConnectionChange(declines=given))
    assert caught.value.param == param


async def test_the_adapters_table_is_shown_with_what_is_set_over_it(
    runtime: Runtime, by: Author, account: Account
) -> None:
    overrides = {"do_not_honor": "account_closed", "x99": "expired"}
    classed = msgspec.structs.replace(WHOLE, declines=overrides)
    added = await connections.add(runtime, by, account.id, "practice", "practice", classed)
    about, now = case_subject(added.id, "x77"), await business_now()
    await cases.open_case(account.id, "decline_unmapped", about, reason="r", action="a", now=now)
    listed = await declines.listed(account.id, added.id, added.adapter, added.declines)
    shown = {one.code: (one.decline_class, one.advice, one.overridden, one.adapter_class) for one in listed}
    assert shown["do_not_honor"] == ("account_closed", "new_payment_method", True, "do_not_honor")
    assert shown["x99"] == ("expired", "new_payment_method", True, None)
    assert shown["lost_stolen"] == ("lost_stolen", "never", False, "lost_stolen")
    assert shown["x77"] == (None, None, False, None)
    assert [one.code for one in listed if one.case] == ["x77"]


async def _open_invoice(account: str, *connections_of_payer: str) -> str:
    payer, made = await rows.customer(account), await rows.invoice(account)
    for connection in connections_of_payer:
        await rows.method(account, connection, payer)
    of_payer = "update tollbridge.invoice set status = 'open', currency = 'eur', customer = $2 where id = $1"
    await sql.rows(of_payer, made, payer)
    return made


async def test_a_change_wakes_what_it_can_mean_something_to(database: str) -> None:
    account = await rows.account()
    here, beside = await rows.connection(account), await rows.connection(account)
    one, _, both, _ = [await _open_invoice(account, *at) for at in ((here,), (beside,), (here, beside), ())]
    async with DB.transaction():
        await connections.poke_waiting(account, here, rows.NOW)
    poked = "select id from tollbridge.invoice where poked > 0"
    assert {row["id"] for row in await sql.rows(poked)} == {one, both}


async def test_a_change_of_the_only_connection_wakes_every_invoice(database: str) -> None:
    account = await rows.account()
    here, beside = await rows.connection(account), await rows.connection(account)
    await sql.rows("update tollbridge.connection set currencies = '{usd}' where id = $1", beside)
    for at in ((here,), (beside,), ()):
        await _open_invoice(account, *at)
    async with DB.transaction():
        await connections.poke_waiting(account, here, rows.NOW)
    assert await sql.value("select count(*) from tollbridge.invoice where poked > 0") == 3


async def test_money_that_settles_too_late_for_the_invoices_is_refused(
    runtime: Runtime, by: Author, account: Account
) -> None:
    """The practice processor settles after a day; with the margin that needs invoices of two days."""
    short = AccountChange(policies={"days_until_due": 1, "margin_hours": 1, "ladder_hours": [0]})
    await connections.add(runtime, by, account.id, "practice", "practice", WHOLE)
    await update(runtime.keyring, by, account.id, short)
    settled = ConnectionChange(record_on="settled")
    with pytest.raises(FieldError, match="settles after 1 days") as refused:
        await connections.update(runtime, by, account.id, "practice", settled)
    assert refused.value.param == "record_on"

    await update(runtime.keyring, by, account.id, AccountChange(policies={"days_until_due": 2}))
    await connections.update(runtime, by, account.id, "practice", settled)
    with pytest.raises(FieldError, match="settles after 1 days") as refused:
        await update(runtime.keyring, by, account.id, short)
    assert refused.value.param == "policies.days_until_due"


async def test_test_money_pays_no_live_invoice(runtime: Runtime, by: Author, account: Account) -> None:
    credentials = {"access_token": Secret("made_up"), "webhook_secret": Secret("made_up")}
    live = ConnectionChange(credentials=credentials, options={"environment": "live", "account": "CR0001"})
    with pytest.raises(FieldError) as caught:
        await connections.add(runtime, by, account.id, "debit", "gocardless", live)
    assert caught.value.param == "options.environment"
    test = ConnectionChange(credentials=credentials, options={"environment": "test", "account": "CR0001"})
    added = await connections.add(runtime, by, account.id, "debit", "gocardless", test)
    with pytest.raises(FieldError):
        await connections.update(runtime, by, account.id, added.id, ConnectionChange(options={"environment": "live"}))


@pytest.mark.parametrize(("currency", "bounds"), [("eur", Bounds(500, 100)), ("jpy", Bounds(500))])
async def test_rules_that_fit_nobody_are_refused(
    runtime: Runtime, by: Author, account: Account, currency: str, bounds: Bounds
) -> None:
    """A connection that is silently offered to nobody looks like one that works. GoCardless takes no yen."""
    credentials = {"access_token": Secret("made_up"), "webhook_secret": Secret("made_up")}
    options = {"environment": "test", "account": "CR0001"}
    rules = ConnectionChange(routing=Routing(amounts={currency: bounds}))
    with pytest.raises(FieldError) as caught:
        await connections.add(
            runtime, by, account.id, "debit", "gocardless", replace(rules, credentials=credentials, options=options)
        )
    assert caught.value.param == f"routing.amounts.{currency}"
    await connections.add(
        runtime, by, account.id, "debit", "gocardless", ConnectionChange(credentials=credentials, options=options)
    )
    with pytest.raises(FieldError):
        await connections.update(runtime, by, account.id, "debit", rules)
