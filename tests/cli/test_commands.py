"""Configuration and reading from the command line."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from db import sql
from gateway.cli.home import write_notes
from gateway.cli.servers import free_ports, listen
from gateway.sandbox.practice import PracticeProcessor, create_app
from tests.api.seed import NOW, add_case, add_delivery, add_dispute, add_event, add_invoice, insert
from tests.cli.conftest import Tollbridge
from tests.support import inbox
from tests.support.serving import serving

STRIPE = {"STRIPE_KEY": "sk_test_hush", "SIGNING": "whsec_hush_0815"}
PRACTICE = ("--credential", "api_key=env:STRIPE_KEY", "--credential", "webhook_secret=env:SIGNING")
OPTIONS = ("--option", "base_url=http://127.0.0.1:1", "--option", "account=pa_1")


WIRE = (
    "--source",
    "bank_transfer",
    "--reference",
    "wire-1",
    "--received",
    "2027-03-01",
    "--reason",
    "on the statement",
)


async def add_account(tollbridge: Tollbridge, name: str = "eu") -> str:
    added = await tollbridge(
        "accounts",
        "add",
        name,
        "--stripe-key",
        "env:STRIPE_KEY",
        "--json",
        **{**STRIPE, "STRIPE_KEY": f"sk_test_{name}"},
    )
    return str(added.json["id"])


async def test_an_account_and_its_connection(tollbridge: Tollbridge) -> None:
    added = await tollbridge(
        "accounts", "add", "eu", "--stripe-key", "env:STRIPE_KEY", "--webhook-secret", "env:SIGNING",
        "--policy", "margin_hours=48", "--json", **STRIPE,
    )  # fmt: skip
    assert added.json["policies"]["margin_hours"] == 48
    assert len(added.json["webhook_secrets"]) == 1
    made = await tollbridge(
        "connections", "add", "practice", "--adapter", "practice", *PRACTICE, *OPTIONS, "--currency", "eur", "--json",
        **STRIPE,
    )  # fmt: skip
    assert made.json["credentials"] == ["api_key", "webhook_secret"]
    listed = await tollbridge("connections", "list", "--json")
    assert [one["name"] for one in listed.json["data"]] == ["practice"]
    for result in (added, made, listed, await tollbridge("accounts", "show"), await tollbridge("accounts", "list")):
        assert result.code == 0
        assert "eu" in result.out or "practice" in result.out
        assert "hush" not in result.out + result.err
    actors = await sql.rows("select distinct actor from tollbridge.audit_log")
    assert [row["actor"].partition(":")[0] for row in actors] == ["cli"]


async def test_a_connection_is_checked(tollbridge: Tollbridge) -> None:
    await add_account(tollbridge)
    processor = PracticeProcessor()
    reference = processor.account(STRIPE["STRIPE_KEY"]).id
    async with serving(create_app(processor)) as url:
        options = ("--option", f"base_url={url}", "--option", f"account={reference}")
        await tollbridge("connections", "add", "practice", "--adapter", "practice", *PRACTICE, *options, **STRIPE)
        checked = await tollbridge("connections", "check", "practice", **STRIPE)
        assert checked.code == 1, "its notifications go nowhere"
        address = "http://127.0.0.1:8250/webhooks/eu/practice"
        for said in (reference, "proved", "unseen", "wrong", "To do:", f"enter there: {address}", "To try a not"):
            assert said in checked.out
        processor.set_webhook(STRIPE["STRIPE_KEY"], address, STRIPE["SIGNING"])
        again = await tollbridge("connections", "check", "practice", "--json", **STRIPE)
    assert (again.code, again.json["ok"], again.json["reference"]) == (0, True, reference)
    assert {one["about"]: one["type"] for one in again.json["findings"]} == {
        "credentials": "proved",
        "webhook": "proved",
        "notifications": "unseen",
    }
    assert "hush" not in checked.out + checked.err + again.out


async def test_decline_codes(tollbridge: Tollbridge) -> None:
    await add_account(tollbridge)
    made = await tollbridge(
        "connections", "add", "practice", "--adapter", "practice", *PRACTICE, *OPTIONS, "--decline", "x99=expired",
        "--json", **STRIPE,
    )  # fmt: skip
    assert made.json["declines"] == {"x99": "expired"}
    listed = await tollbridge("connections", "declines", "practice")
    assert "x99" in listed.out
    assert "lost_stolen" in listed.out
    changed = await tollbridge("connections", "update", "practice", "--decline", "x99=", "--json", **STRIPE)
    assert changed.json["declines"] == {}
    wrong = await tollbridge("connections", "update", "practice", "--decline", "x99=hopeless", **STRIPE)
    assert (wrong.code, "--decline x99" in wrong.err) == (2, True)


async def test_keys(tollbridge: Tollbridge) -> None:
    await add_account(tollbridge)
    made = (await tollbridge("keys", "create", "backend", "--scope", "server", "--scope", "finance", "--json")).json
    assert made["key"].startswith("tb_test_")
    listed = await tollbridge("keys", "list")
    assert made["id"] in listed.out
    assert made["key"] not in listed.out
    assert (await tollbridge("keys", "revoke", made["id"])).code == 0
    platform = (await tollbridge("keys", "create", "ops", "--platform", "--json")).json
    assert platform["scopes"] == ["platform"]


async def test_the_audit_log(tollbridge: Tollbridge) -> None:
    await add_account(tollbridge)
    await tollbridge("users", "add", "ada@example.com", "--role", "finance")
    shown = await tollbridge("audit", "--action", "console_role.set")
    assert "at the command line" in shown.out
    assert "role: – → finance" in shown.out
    assert (await tollbridge("audit", "--to", "2020-01-01", "--json")).json["data"] == []


async def test_where_passwords_are_off_nobody_is_invited_by_a_link(tollbridge: Tollbridge) -> None:
    await add_account(tollbridge)
    only = {"TOLLBRIDGE_OIDC_ISSUER": "https://id.example", "TOLLBRIDGE_OIDC_CLIENT_ID": "us"}
    only |= {"TOLLBRIDGE_OIDC_ONLY": "true"}
    made = await tollbridge("users", "add", "ada@example.com", "--role", "finance", "--json", **only)
    assert made.json["link"] is None
    refused = await tollbridge("users", "password", "ada@example.com", **only)
    assert (refused.code, "turned off" in refused.err) == (1, True)


async def test_apply_shows_the_difference_and_makes_it(tollbridge: Tollbridge, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[[account]]\nname = "eu"\napi_key = "env:STRIPE_KEY"\n')
    shown = await tollbridge("apply", str(file), "--dry-run", **STRIPE)
    assert "account.added eu" in shown.out
    assert "nothing was changed" in shown.out
    done = await tollbridge("apply", str(file), "--json", **STRIPE)
    assert [change["action"] for change in done.json["changes"]] == ["account.added"]
    again = await tollbridge("apply", str(file), **STRIPE)
    assert again.out.strip() == "Nothing to change."
    file.write_text('[[account]]\nname = "eu"\ncolour = "red"\n')
    wrong = await tollbridge("apply", str(file))
    assert (wrong.code, wrong.err) == (2, "Error: account.0.colour: there is no such parameter\n")


async def test_invoices_cases_and_events(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    await add_invoice(account, "in_1", state="due", reason="waits for the worker", currency="eur", amount_due=1190)
    case = await add_case(account, "in_1", invoice="in_1")
    event = await add_delivery(account, state="parked", reason="broken", object_id="in_1")

    listed = await tollbridge("invoices", "list", "--state", "due")
    assert "in_1" in listed.out
    assert "11.90 EUR" in listed.out
    shown = await tollbridge("invoices", "show", "in_1")
    assert "waits for the worker" in shown.out
    assert case in shown.out
    assert (await tollbridge("invoices", "show", "in_1", "--json")).json["amount_due"] == 1190

    assert case in (await tollbridge("cases", "list")).out
    assigned = await tollbridge("cases", "assign", case, "ada")
    assert assigned.out.strip() == f"{case}: ada sees to it."
    assert case in (await tollbridge("cases", "list", "--owner", "ada")).out
    assert (await tollbridge("cases", "list", "--owner", "bob")).out.strip() == "No cases."
    assert (await tollbridge("cases", "list", "--unowned")).out.strip() == "No cases."
    assert "is noted" in (await tollbridge("cases", "note", case, "they call back")).out
    assert "they call back" in (await tollbridge("cases", "notes", case)).out
    closed = await tollbridge("cases", "close", case, "--reason", "looked it up", "--json")
    assert (closed.json["state"], closed.json["closed_reason"]) == ("closed", "looked it up")
    assert (await tollbridge("cases", "list")).out.strip() == "No cases."

    assert event in (await tollbridge("inbox", "list", "--state", "parked")).out
    replayed = await tollbridge("inbox", "replay", event, "--json")
    assert replayed.json["data"][0]["state"] == "stored"


async def test_disputes(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    assert (await tollbridge("disputes", "list")).out.strip() == "No disputes."
    await tollbridge("connections", "add", "practice", "--adapter", "practice", *PRACTICE, *OPTIONS, **STRIPE)
    connection = await sql.value("select id from tollbridge.connection")
    method = await inbox.add_method(account, connection)
    await add_invoice(account, "in_1", currency="eur", amount_due=1190)
    attempt = await inbox.add_attempt(account, connection, method, "in_1")
    dispute = await add_dispute(account, connection, "in_1", attempt)

    listed = (await tollbridge("disputes", "list", "--state", "opened")).out
    assert all(said in listed for said in (dispute, "11.90 EUR", "product_not_received", "2027-03-15"))
    assert (await tollbridge("disputes", "list", "--state", "lost")).out.strip() == "No disputes."
    shown = await tollbridge("disputes", "show", dispute)
    assert "https://processor.example/disputes/1" in shown.out
    assert (await tollbridge("disputes", "show", dispute, "--json")).json["state"] == "opened"
    assert dispute in (await tollbridge("invoices", "show", "in_1")).out
    assert (await tollbridge("disputes", "show", "dsp_x")).code == 1


async def test_the_credit_note_of_a_dispute_is_tried_again(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    await tollbridge("connections", "add", "practice", "--adapter", "practice", *PRACTICE, *OPTIONS, **STRIPE)
    connection = await sql.value("select id from tollbridge.connection")
    await add_invoice(account, "in_1", currency="eur", amount_due=1190)
    attempt = await inbox.add_attempt(account, connection, await inbox.add_method(account, connection), "in_1")
    dispute = await add_dispute(account, connection, "in_1", attempt, state="lost")
    about = {"account": account, "invoice": "in_1", "attempt": attempt, "amount": 1190, "currency": "eur"}
    moved = {"connection": connection, "processor_id": f"pdp_{account}", "occurred_at": NOW, "created_at": NOW}
    await insert("movement", id="mov_1", kind="dispute_withdrawn", **about, **moved)
    await insert("recording", id="rec_1", state="recorded", idempotency_key="one", created_at=NOW, **about)
    refused = await tollbridge("disputes", "retry", dispute)
    assert (refused.code, "no credit note of it was refused" in refused.err) == (1, True)

    await sql.rows("update tollbridge.dispute set failure = 'credit_note_refused' where id = $1", dispute)
    again = await tollbridge("disputes", "retry", dispute, "--reason", "mended")
    assert (again.code, "tried again" in again.out) == (0, True), again.err
    assert (await tollbridge("disputes", "retry", dispute)).code == 1, "once"
    assert await sql.value("select reason from tollbridge.audit_log where action = 'dispute.retried'") == "mended"


async def test_payment_methods(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    await tollbridge("connections", "add", "practice", "--adapter", "practice", *PRACTICE, *OPTIONS, **STRIPE)
    connection = await sql.value("select id from tollbridge.connection")
    await insert("customer", account=account, id="cus_1", created_at=NOW)
    for n, brand in enumerate(("visa", "mastercard"), 1):
        await insert(
            "payment_method",
            id=f"pmt_{n}",
            account=account,
            customer="cus_1",
            connection=connection,
            reference=b"sealed",
            token_hash=f"hash-{n}",
            vault_hash=f"hash-{n}",
            card=f'{{"brand": "{brand}", "last4": "424{n}"}}',
            status="active",
            position=n,
            created_at=NOW,
        )
    listed = await tollbridge("payment-methods", "list", "cus_1")
    assert "visa 4241" in listed.out
    assert "hash-1" not in listed.out
    assert (await tollbridge("payment-methods", "first", "pmt_2", "--json")).json["position"] == 1
    asked = await tollbridge("payment-methods", "revoke", "pmt_1", "--reason", "the payer asked")
    assert asked.out.strip() == "pmt_1 is deleted as soon as a worker gets there."
    shown = (await tollbridge("payment-methods", "list", "cus_1", "--json")).json["data"]
    assert {m["id"]: (m["status"], m["first"]) for m in shown} == {
        "pmt_1": ("stopped", False),
        "pmt_2": ("active", True),
    }
    assert (await tollbridge("payment-methods", "first", "pmt_9")).code == 1


ROUTED = ("connections", "update", "practice", "--routing")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("accounts", "show", "us"), 1, "no account 'us'"),
        (("invoices", "show", "in_9"), 1, "no invoice 'in_9'"),
        (("invoices", "collect", "in_9"), 1, "no invoice 'in_9'"),
        (("invoices", "record-payment", "in_9", *WIRE), 1, "no invoice 'in_9'"),
        (("invoices", "record-payment", "in_9", *WIRE[:-2]), 2, "--reason"),
        (("connections", "check", "paypal"), 1, "no connection 'paypal'"),
        (("accounts", "add", "us", "--stripe-key", "sk_test_hush"), 2, "env:NAME or file:PATH"),
        (("accounts", "add", "us", "--stripe-key", "env:NOBODY"), 2, "no variable NOBODY"),
        (("accounts", "add", "U S", "--stripe-key", "env:STRIPE_KEY"), 2, "NAME: must be"),
        (("accounts", "update", "--policy", "margin_hours=-1"), 2, "--policy margin_hours: "),
        (
            ("accounts", "update", "--add-webhook-secret", "env:STRIPE_KEY"),
            2,
            "--add-webhook-secret: must be a signing",
        ),
        (("accounts", "update", "--api-base", "http://127.0.0.1:1"), 2, "--api-base: give the Stripe key too"),
        (
            ("accounts", "update", "--policy", "canceled_invoices=pay"),
            2,
            "--policy canceled_invoices: 'pay' is none of collect, mark_uncollectible, stop, void",
        ),
        (("accounts", "update", "--portal-url", "shop"), 2, "--portal-url: must be an http or https address"),
        (("connections", "add", "x", "--adapter", "nobody"), 2, "--adapter: no adapter 'nobody'"),
        (("connections", "add", "x", "--adapter", "practice", "--credential", "hush"), 2, "NAME=VALUE"),
        (("connections", "add", "x", "--adapter", "practice"), 2, "'practice' wants api_key, webhook_secret"),
        (
            (*ROUTED, '{"contries": ["DE"]}'),
            2,
            "contries: there is no such parameter (--routing has countries, amounts,",
        ),
        ((*ROUTED, '{"countries": ["Germany"]}'), 2, "--routing: countries.0: must be two upper-case letters, as DE"),
        ((*ROUTED, "countries=DE"), 2, "--routing: this is no JSON"),
        (("invoices", "list", "--state", "lost"), 2, "lost"),
        (("sandbox", "clock", "--advance", "soon"), 2, "no span of time"),
        (("accounts", "frobnicate"), 2, "No such command"),
    ],
)
async def test_an_error_is_one_clear_line(
    tollbridge: Tollbridge, arguments: tuple[str, ...], code: int, says: str
) -> None:
    await add_account(tollbridge)
    result = await tollbridge(*arguments, **STRIPE)
    assert result.code == code
    assert says in result.err
    assert "Traceback" not in result.err
    assert "hush" not in result.err
    assert len([line for line in result.err.splitlines() if line.startswith("Error")]) == 1


@pytest.mark.parametrize("option", ["--port", "--stripe-port", "--practice-port", "--shop-port"])
async def test_nobody_elses_server_is_taken_for_one_of_ours(tollbridge: Tollbridge, option: str) -> None:
    ports = dict(zip(("--port", "--stripe-port", "--practice-port", "--shop-port"), free_ports(4), strict=True))
    with closing(listen("127.0.0.1", ports[option])):
        result = await tollbridge("dev", *(str(word) for pair in ports.items() for word in pair))
    told = f"Error: can't listen on 127.0.0.1:{ports[option]}: Address already in use; {option} takes another\n"
    assert (result.code, result.err) == (1, told)


async def test_two_accounts_must_be_named(tollbridge: Tollbridge) -> None:
    await add_account(tollbridge, "eu")
    await add_account(tollbridge, "us")
    result = await tollbridge("invoices", "list")
    assert (result.code, result.err) == (2, "Error: say which account, with --account: eu, us\n")
    assert (await tollbridge("invoices", "list", "--account", "us", "--json")).json["data"] == []
    result = await tollbridge("accounts", "show")
    assert (result.code, result.err) == (2, "Error: say which account: eu, us\n")


async def test_without_a_database_it_says_so(tollbridge: Tollbridge) -> None:
    result = await tollbridge("accounts", "list", TOLLBRIDGE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert result.code == 1
    assert "cannot connect to PostgreSQL at 127.0.0.1:1/none" in result.err


async def test_without_keys_it_says_so(tollbridge: Tollbridge) -> None:
    for command in (("serve",), ("work",), ("accounts", "list")):
        result = await tollbridge(*command, TOLLBRIDGE_ENCRYPTION_KEYS="", TOLLBRIDGE_TOKEN_HASH_KEY="")
        assert result.code == 1
        assert "TOLLBRIDGE_" in result.err


async def test_migrate_says_what_it_did(tollbridge: Tollbridge, empty_database: str) -> None:
    first = await tollbridge("migrate", "--json", TOLLBRIDGE_DATABASE_URL=empty_database)
    assert first.json["applied"][0] == "0001_initial"
    assert (await tollbridge("migrate", TOLLBRIDGE_DATABASE_URL=empty_database)).out.strip() == "Up to date."


async def test_an_old_schema_is_not_touched_by_the_way(tollbridge: Tollbridge, empty_database: str) -> None:
    result = await tollbridge("accounts", "list", TOLLBRIDGE_DATABASE_URL=empty_database)
    assert result.code == 1
    assert "tollbridge migrate" in result.err


async def test_webhook_endpoints_and_what_they_are_told(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    made = await tollbridge("webhooks", "add", "https://192.0.43.8/hook", "--type", "tollbridge.invoice.paid", "--json")
    endpoint, secret = made.json["id"], made.json["secret"]
    assert secret.startswith("whsec_")
    assert "tollbridge.invoice.paid" in (await tollbridge("webhooks", "list")).out
    assert secret not in (await tollbridge("webhooks", "list", "--json")).out

    ping = (await tollbridge("webhooks", "ping", endpoint, "--json")).json
    assert ping["data"]["id"] == endpoint
    [delivery] = (await tollbridge("webhooks", "deliveries", endpoint, "--json")).json["data"]
    assert (delivery["event"], delivery["state"]) == (ping["id"], "pending")

    event = await add_event(account)
    assert event in (await tollbridge("events", "list", "--object", "in_1")).out
    replayed = await tollbridge("events", "replay", event, "--endpoint", endpoint, "--json")
    assert replayed.json["data"][0]["id"] == event
    assert len((await tollbridge("webhooks", "deliveries", endpoint, "--json")).json["data"]) == 2

    rolled = await tollbridge("webhooks", "roll-secret", endpoint, "--expires-in", "60")
    assert rolled.out.strip() not in ("", secret)
    changed = await tollbridge("webhooks", "update", endpoint, "--all-types", "--disable", "--json")
    assert (changed.json["types"], changed.json["enabled"]) == ([], False)
    assert (await tollbridge("webhooks", "ping", endpoint)).code == 1
    assert (await tollbridge("webhooks", "add", "https://127.0.0.1/")).code == 2
    assert (await tollbridge("webhooks", "remove", endpoint, "--json")).json["deleted"]
    assert (await tollbridge("webhooks", "list")).out.strip() == "No webhook endpoints."


NO_NAME = "a" * 64  # longer than a label may be, so that no resolver is asked
EVENTS_SECRET = {"EVENTS_SECRET": "whsec_" + "aGVy" * 8}


async def test_apply_warns_of_an_endpoint_without_address_and_refuses_a_private_one(
    tollbridge: Tollbridge, tmp_path: Path
) -> None:
    file, account = tmp_path / "gateway.toml", '[[account]]\nname = "eu"\napi_key = "env:STRIPE_KEY"\n'
    endpoint = '[[account.webhook_endpoint]]\nurl = "https://{}/"\nsecret = "env:EVENTS_SECRET"\n'
    file.write_text(account + endpoint.format(NO_NAME))
    done = await tollbridge("apply", str(file), **STRIPE, **EVENTS_SECRET)
    assert (done.code, "Warning: account.0.webhook_endpoint.0.url" in done.err) == (0, True)
    assert NO_NAME in (await tollbridge("webhooks", "list", "--json")).out
    file.write_text(account + endpoint.format("127.0.0.1"))
    refused = await tollbridge("apply", str(file), **STRIPE, **EVENTS_SECRET)
    assert (refused.code, "TOLLBRIDGE_OUTBOUND_PRIVATE" in refused.err) == (2, True)


async def test_webhooks_are_told_to_come_where_dev_runs(tollbridge: Tollbridge, tmp_path: Path) -> None:
    """In a second terminal, which knows nothing of `dev --port`."""
    await add_account(tollbridge)
    write_notes(tmp_path, gateway="http://127.0.0.1:9350")
    assert "http://127.0.0.1:9350/webhooks/stripe/eu\n" in (await tollbridge("accounts", "show")).out
    assert (await tollbridge("webhooks", "add", "http://127.0.0.1:1/events")).code == 0
    own = await tollbridge("accounts", "show", "--json", TOLLBRIDGE_PUBLIC_URL="https://pay.shop.example")
    assert own.json["webhook_url"] == "https://pay.shop.example/webhooks/stripe/eu"
    write_notes(tmp_path, gateway="")
    away = await tollbridge("accounts", "show", TOLLBRIDGE_PORT="9351")
    assert "http://127.0.0.1:9351/webhooks/stripe/eu  (set TOLLBRIDGE_PUBLIC_URL" in away.out
