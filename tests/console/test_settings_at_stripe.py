"""What the settings do at Stripe: the local one answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from db import sql
from gateway.accounts import accounts
from gateway.domain.roles import Role
from gateway.sandbox.stripe import StripeSandbox, create_app
from tests.console.conftest import Console
from tests.support.serving import serving
from tests.support.staff import text_of

KEY = "sk_test_ours_made_up"
PLACE = {"hx-request": "true"}


@pytest.fixture
async def sandbox(console: Console) -> AsyncIterator[StripeSandbox]:
    made = StripeSandbox()
    made.delivery.set(mode="manual")
    async with serving(create_app(made)) as url:
        await sql.rows("update tollbridge.account set api_base = $2 where id = $1", console.api.ours.id, url)
        yield made


async def test_a_rolled_key_takes_the_old_ones_place_and_nobody_is_signed_out(
    console: Console, sandbox: StripeSandbox
) -> None:
    admin = console[Role.ADMIN]
    checked = await admin.post("/settings/account/check", **PLACE)
    assert "Stripe takes the key. It is that of acct_" in text_of(checked)
    rolled = sandbox.keys.roll(KEY).key
    done = await admin.post("/settings/account/key", {"api_key": rolled, "reason": "rolled"})
    assert done.headers["location"].endswith("?said=key_replaced")
    assert (await admin.get("/settings/account")).status_code == 200
    anothers = await admin.post("/settings/account/key", {"api_key": "sk_test_another", "reason": "by mistake"})
    assert (anothers.status_code, 'id="api_key-wrong"' not in anothers.text) == (400, False)
    assert "The key is that of acct_" in text_of(anothers)
    noted = "select reason, after from tollbridge.audit_log where action = 'account.updated' and reason <> ''"
    assert [tuple(row) for row in await sql.rows(noted)] == [("rolled", '{"api_key": "(changed)"}')]


async def test_the_webhook_is_set_up_by_a_button(console: Console, sandbox: StripeSandbox) -> None:
    done = await console[Role.ADMIN].post("/settings/account/setup")
    assert "created" in text_of(done)
    assert "No endpoint at Stripe is known here" not in text_of(done)
    assert len((await accounts.show(console.api.ours.id)).webhook_secrets) > 1


async def test_the_portal_is_mended_by_a_button_that_the_findings_show_to_admins(
    console: Console, sandbox: StripeSandbox
) -> None:
    admin, path = console[Role.ADMIN], "/settings/doctor/findings"
    found = await admin.get(path, **PLACE)
    assert 'id="fix-portal"' in found.text
    assert ("To do: “Fix the portal”" in text_of(found), "doctor --fix" in found.text) == (True, False)
    assert 'id="fix-portal"' not in (await console[Role.SUPPORT].get(path, **PLACE)).text
    mended = await admin.post("/settings/doctor/fix-portal", {"reason": "payers pay here"})
    assert mended.headers["location"].endswith("?said=portal_fixed")
    assert 'id="fix-portal"' not in (await admin.get(path, **PLACE)).text
    assert await sql.value("select reason from tollbridge.audit_log where action = 'portal.fixed'") == "payers pay here"


async def test_nothing_is_changed_at_stripe_for_a_reason_that_is_too_long(
    console: Console, sandbox: StripeSandbox
) -> None:
    """The audit log would not take it, after the fact."""
    admin = console[Role.ADMIN]
    await admin.post("/settings/account/setup")
    [there] = sandbox.accounts.values()
    [endpoint] = there.webhook_endpoints.values()
    endpoint["status"] = "disabled"
    for path in ("/settings/account/setup", "/settings/doctor/fix-portal"):
        refused = await admin.post(path, {"reason": "x" * 2001})
        assert (refused.status_code, "at most 2000 letters" in text_of(refused)) == (400, True), path
    assert endpoint["status"] == "disabled"
    found = await admin.get("/settings/doctor/findings", **PLACE)
    assert 'id="fix-portal"' in found.text
