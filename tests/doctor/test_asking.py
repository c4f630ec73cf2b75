"""The doctor as it is asked: by the command line and the API, and what it mends at Stripe."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.cli.doctor_text import page, print_answer, print_rehearsal
from gateway.doctor import events, portal
from gateway.doctor.examine import examine, report
from gateway.doctor.patient import patient
from gateway.doctor.rehearsal import Rehearsal, Step
from gateway.domain.doctor import wrong
from gateway.domain.doctor_why import Answer
from tests.cli.conftest import Tollbridge
from tests.cli.test_commands import add_account
from tests.support.world import World

BY = Author("test")


def configurations(world: World) -> list[dict[str, Any]]:
    return list(world.stripe_account().portal_configurations.values())


async def test_the_portal_is_mended_and_that_is_noted(world: World) -> None:
    known = await patient(world.runtime, world.shop.account)
    [found] = await portal.unsafe(known)
    await portal.fix(known, BY, [found])
    assert await portal.unsafe(known) == []
    [configuration] = configurations(world)
    assert not configuration["features"]["payment_method_update"]["enabled"]
    assert configuration["features"]["invoice_history"]["enabled"], "the rest stays"
    noted = await sql.rows(
        "select action, object from tollbridge.audit_log where object = $1 order by created_at, id", found.id
    )
    assert [row["action"] for row in noted] == ["portal.fix_asked", "portal.fixed"]


async def test_a_thin_event_counts_as_the_event_that_stripe_lists(world: World) -> None:
    stripe = world.shop.client
    for endpoint in list(world.stripe_account().webhook_endpoints.values()):
        endpoint["status"] = "disabled"
    made = await stripe.v2.core.event_destinations.create_async(
        {
            "name": "thin",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": ["v1.customer.updated", "v1.invoice.paid"],
            "webhook_endpoint": {"url": f"{world.gateway_url}/webhooks/stripe/shop"},
            "include": ["webhook_endpoint.signing_secret"],
        }
    )
    secret = str(made.webhook_endpoint.signing_secret)
    await world.call("POST", f"/v1/accounts/{world.shop.account}/webhook_secrets", {"secret": secret})
    customer = await stripe.v1.customers.create_async({"name": "A. Payer"})
    await stripe.v1.customers.update_async(customer.id, {"name": "B. Payer"})
    await world.later(minutes=5)
    known = await patient(world.runtime, world.shop.account)
    [flow, *_] = await events.look(known)
    assert flow.what.endswith("all of Stripe's newest 1 are here"), flow
    found = {one.check: one for one in (await examine(world.runtime, world.shop.account)).findings}
    assert found["webhook.version"].what.startswith("thin events")
    assert "does not want" in found["webhook.events"].what


async def test_the_api_shows_the_same_findings(world: World) -> None:
    await world.signup("ok")
    answer = await world.call("GET", "/v1/doctor")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["account"], told["ok"]) == (world.shop.account, False)
    wrong = {one["check"]: one["what_to_do"] for one in told["findings"] if one["level"] == "wrong"}
    assert sorted(wrong) == ["portal", "workers"]
    assert wrong["portal"] == f"tollbridge doctor --fix portal --account {told['name']}"
    invoice = next(iter(world.stripe_account().invoices))
    answer = await world.call("GET", f"/v1/doctor/why/{invoice}")
    assert "here it is paid" in answer.json()["sentences"][0]


async def test_a_page_escapes_what_strangers_write(world: World) -> None:
    known = await patient(world.runtime, world.shop.account)
    shown = page([report(known, [wrong("x", "<script>alert(1)</script>", "a & b", "\"'", concerns="<b>")])])
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "default-src 'none'" in shown
    assert "http://" not in shown.replace("http-equiv", "")
    assert "prefers-color-scheme: dark" in shown


def test_what_people_read_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets that a stranger writes are no markup of ours."""
    print_answer(Answer("in_1", "Why?", ["It is [bold]open[/bold]."], "It is read.", 1_800_000_000, ["Wait."]))
    print_rehearsal(
        Rehearsal("acc_1", "eu", "rhs_1", False, [Step("plan", True, "made"), Step("paid", False, "no [x]")])
    )
    told = capsys.readouterr().out
    assert "- It is [bold]open[/bold].\nNext: It is read. (2027-01-15 08:00 UTC)\nYou can: Wait.\n" in told
    assert told.endswith("ok       made\nfailed   no [x]\n")


async def test_the_command_says_what_is_wrong_by_its_exit_code(tollbridge: Tollbridge, tmp_path: Path) -> None:
    assert (await tollbridge("doctor")).err.strip().endswith("there is no account yet: tollbridge accounts add")
    await add_account(tollbridge)
    await sql.rows("update tollbridge.account set api_base = 'http://127.0.0.1:1'")
    told = await tollbridge("doctor", "--html", str(tmp_path / "page.html"))
    assert told.code == 1
    assert "Stripe does not answer" in told.out
    assert "webhook" in (tmp_path / "page.html").read_text()
    nowhere = await tollbridge("doctor", "--html", str(tmp_path / "none" / "page.html"))
    assert (nowhere.code, "No such file or directory" in nowhere.err) == (1, True)
    as_json = await tollbridge("doctor", "--json", "--account", "eu")
    assert as_json.code == 1
    assert '"object":"doctor"' in as_json.out
    assert "sk_test" not in told.out + as_json.out
    unknown = await tollbridge("doctor", "why", "in_unknown")
    assert (unknown.code, unknown.err) == (1, "Error: no invoice 'in_unknown'\n")


async def test_a_fix_is_asked_for_first(world: World, tollbridge: Tollbridge) -> None:
    # The command opens the account with its own keys: it is made anew with them.
    stripe = {"STRIPE_KEY": world.shop.stripe_key, "SIGNING": "whsec_made_up"}
    await sql.rows("update tollbridge.account set api_key_hash = null, stripe_account = ''")
    added = await tollbridge(
        "accounts", "add", "cli", "--stripe-key", "env:STRIPE_KEY", "--api-base", world.stripe_url, "--json", **stripe
    )
    assert added.code == 0, added.err
    async with asyncio.timeout(60):
        refused = await tollbridge("doctor", "--account", "cli", "--fix", "portal", "--json")
        assert refused.code == 2
        assert configurations(world)[0]["features"]["payment_method_update"]["enabled"]
        fixed = await tollbridge("doctor", "--account", "cli", "--fix", "portal", "--yes", "--json")
        again = await tollbridge("doctor", "--account", "cli", "--fix", "portal", "--yes", "--json")
    assert fixed.json == {"fixed": [configurations(world)[0]["id"]]}
    assert again.json == {"fixed": []}


async def test_a_rehearsal_by_command_refuses_a_live_account(tollbridge: Tollbridge) -> None:
    live = {"STRIPE_KEY": "sk_live_made_up"}
    await tollbridge("accounts", "add", "live", "--stripe-key", "env:STRIPE_KEY", **live)
    told = await tollbridge("doctor", "--rehearse")
    assert told.code == 2
    assert "test mode alone" in told.err
