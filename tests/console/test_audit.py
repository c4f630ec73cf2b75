"""The audit log: what an account sees of it, and what of people's own acts."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import msgspec
import pytest

from db import sql
from db.engine import DB
from gateway.accounts.audit import Author
from gateway.domain.case_kinds import CaseKind
from gateway.domain.roles import Role
from gateway.finance.ask_processor import ask_processor
from gateway.inbox import by_hand
from gateway.readers.audit import Wanted, find_entries
from gateway.users import saved_views, users
from gateway.users.sessions import Manner
from gateway.users.sign_in import note_signing_in
from tests.api.conftest import BY, Api
from tests.api.seed import add_endpoint, seed
from tests.console.conftest import Console
from tests.console.test_cases import add_case
from tests.support.staff import text_of


async def _note(account: str, action: str = "refund.requested", actor: str = "cli:ada", reason: str = "asked") -> None:
    before, after = {"state": "open", "amount": 100, "currency": "eur"}, {"state": "closed", "amount": 250}
    async with DB.transaction():
        by = Author(actor, reason)
        await by.note(account, action, "in_1", before=before, after=after | {"currency": "eur"})


async def _seen(account: str) -> list[str]:
    """What an account sees, without what the fixtures did to set up."""
    entries = (await find_entries(account, Wanted(), limit=100)).data
    return [f"{one.who}: {one.did}" for one in reversed(entries) if not one.actor.startswith(BY)]


async def test_an_entry_says_who_did_what_why_and_what_changed(console: Console) -> None:
    await _note(console.api.ours.id, actor=console[Role.FINANCE].user)
    shown = text_of(await console[Role.FINANCE].get("/audit"))
    assert "finance <finance@example.com> asked for a refund in_1 asked" in shown
    assert "state: open → closed" in shown
    assert "amount: 1.00 EUR → 2.50 EUR" in shown


async def test_policies_are_told_as_their_page_tells_them(console: Console) -> None:
    before, after = {"policies": {}}, {"policies": {"approval_above": {"eur": 1000}, "ladder_hours": [0, 48, 96]}}
    async with DB.transaction():
        await Author("cli:ada").note(console.api.ours.id, "account.updated", "acc_1", before=before, after=after)
    shown = text_of(await console[Role.FINANCE].get("/audit?action=account.updated"))
    assert "Tries: 0, 24, 72, 120 → 0, 48, 96" in shown
    assert "Refunds that need a second person: none does → 10.00 EUR" in shown


async def test_policies_that_this_version_does_not_know_are_told_all_the_same(console: Console) -> None:
    after = {"policies": {"long_gone": 7}}
    async with DB.transaction():
        await Author("cli:ada").note(console.api.ours.id, "account.updated", "acc_1", before={}, after=after)
    assert "policies: long gone: 7" in text_of(await console[Role.FINANCE].get("/audit?action=account.updated"))


@pytest.mark.parametrize("path", ["/audit", "/audit.csv"])
async def test_it_is_finances(console: Console, path: str) -> None:
    assert (await console[Role.SUPPORT].get(path)).status_code == 403
    assert (await console[Role.FINANCE].get(path)).status_code == 200


async def test_it_is_found_by_actor_action_object_and_day(console: Console) -> None:
    await _note(console.api.ours.id, actor=console[Role.FINANCE].user, reason="unmistakable")
    for asked, is_found in [
        ("actor=finance@example.com&action=refund.requested&object=in_1&from=2000-01-01&to=2999-12-31", True),
        ("actor=Finance", True),
        ("actor=nance", False),
        ("actor=admin", False),
        ("actor=admin@example.com", False),
        ("action=refund.denied", False),
        ("object=in_2", False),
        ("to=2000-01-01", False),
        ("from=2999-01-01", False),
    ]:
        assert ("unmistakable" in (await console[Role.FINANCE].get(f"/audit?{asked}")).text) is is_found, asked


@pytest.mark.parametrize("asked", ["from=not+a+day", "to=9999-12-31"])
async def test_a_day_that_is_none_is_said(console: Console, asked: str) -> None:
    await _note(console.api.ours.id, reason="unmistakable")
    page = await console[Role.FINANCE].get(f"/audit?{asked}&object=in_1")
    assert (page.status_code, "Must be a day" in text_of(page), "unmistakable" in page.text) == (400, True, False)
    assert 'value="in_1"' in page.text
    assert (await console[Role.FINANCE].get(f"/audit.csv?{asked}")).status_code == 400


async def test_as_a_file_nothing_becomes_a_formula(console: Console) -> None:
    await _note(console.api.ours.id, reason='=HYPERLINK("http://evil.example")')
    answer = await console[Role.FINANCE].get("/audit.csv?action=refund.requested")
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["who"], row["object"], row["reason"][:3]) == ("ada, at the command line", "in_1", "'=H")
    assert "attachment" in answer.headers["content-disposition"]


async def test_nothing_of_another_account_is_seen(console: Console) -> None:
    await _note(console.api.theirs.id, actor=console[Role.FINANCE].user)
    assert await _seen(console.api.ours.id) == []
    assert len(await _seen(console.api.theirs.id)) == 1


async def test_people_sign_in_where_they_have_a_role(api: Api) -> None:
    user = await users.add(Author(BY), "ada@example.com", "Ada")
    await users.give_role(Author(BY), user.id, api.ours.id, Role.VIEWER)
    await note_signing_in(user.id, "ses_1", Manner.PASSWORD)
    assert await _seen(api.ours.id) == ["Ada <ada@example.com>: signed in"]
    assert await _seen(api.theirs.id) == []


async def test_before_a_role_and_after_it_they_are_nobodys_here(api: Api) -> None:
    user = await users.add(Author(BY), "ada@example.com", "Ada")
    await note_signing_in(user.id, "ses_1", Manner.PASSWORD)
    await users.give_role(Author(BY), user.id, api.ours.id, Role.VIEWER)
    await users.give_role(Author(BY), user.id, api.ours.id, Role.ADMIN)
    await note_signing_in(user.id, "ses_2", Manner.PASSWORD)
    await users.take_role(Author(BY), user.id, api.ours.id)
    await note_signing_in(user.id, "ses_3", Manner.PASSWORD)
    entries = (await find_entries(api.ours.id, Wanted(action="console_session.open"))).data
    assert [one.subject for one in entries] == ["ses_2"]


async def test_roles_elsewhere_are_not_told(api: Api) -> None:
    user = await users.add(Author(BY), "ada@example.com", "Ada")
    for account in (api.ours.id, api.theirs.id):
        await users.give_role(Author(BY), user.id, account, Role.VIEWER)
    found = (await find_entries(api.ours.id, Wanted(action="console_role.set"), limit=100)).data
    assert [one.subject_name for one in found if one.subject == user.id] == ["Ada <ada@example.com>"]


async def test_a_stranger_who_did_something_to_somebody_of_ours_has_no_name_here(api: Api) -> None:
    stranger = await users.add(Author(BY), "eve@example.com", "Eve")
    await users.give_role(Author(BY), stranger.id, api.theirs.id, Role.ADMIN)
    user = await users.add(Author(BY), "ada@example.com", "Ada")
    await users.give_role(Author(BY), user.id, api.ours.id, Role.VIEWER)
    await users.disable(Author(stranger.id), user.id)
    assert await _seen(api.ours.id) == ["somebody of another account: disabled a user"]


async def test_pages_follow_one_another(api: Api) -> None:
    for number in range(5):
        await _note(api.ours.id, reason=str(number))
    first = await find_entries(api.ours.id, Wanted(action="refund.requested"), limit=3)
    second = await find_entries(
        api.ours.id, Wanted(action="refund.requested"), limit=3, starting_after=first.data[-1].id
    )
    assert [one.reason for one in (*first.data, *second.data)] == ["4", "3", "2", "1", "0"]
    assert (first.has_more, second.has_more) == (True, False)


async def test_a_strangers_name_finds_nothing(api: Api) -> None:
    stranger = await users.add(Author(BY), "eve@example.com", "Eve Outside")
    await users.give_role(Author(BY), stranger.id, api.theirs.id, Role.ADMIN)
    await _note(api.ours.id, actor=stranger.id)
    assert (await find_entries(api.ours.id, Wanted(actor="Eve"))).data == []
    await users.give_role(Author(BY), stranger.id, api.ours.id, Role.ADMIN)
    for name in ("Eve", "outside", "eve outside"):
        assert len((await find_entries(api.ours.id, Wanted(actor=name))).data) == 1, name


async def test_over_http(api: Api) -> None:
    await _note(api.ours.id, actor="cli:grace")
    found = (await api.get("/v1/audit_log", "finance", actor="grace", created_from=1)).json()["data"]
    assert [(one["who"], one["subject"]) for one in found] == [("grace, at the command line", "in_1")]
    assert (await api.get("/v1/audit_log", "finance", created_before=1)).json()["data"] == []


LIMIT = """update tollbridge.account set policies = '{"approval_above": {"eur": 500}}' where id = $1"""
LONG = "x" * 2001
LATER = datetime(2100, 1, 1, tzinfo=UTC)


async def test_a_decision_says_what_was_decided_of_how_much(console: Console) -> None:
    """Who, what, why, before and after: of the one decision that lets money go, too."""
    seeded = await seed(console.api.runtime, console.api.ours.id)
    await sql.rows(LIMIT, console.api.ours.id)
    await console[Role.FINANCE].post("/refunds", {"invoice": seeded.invoice, "amount": "6", "once": "x"})
    refund = await sql.value("select id from tollbridge.refund where approval = 'waiting'")
    assert (await console[Role.ADMIN].post(f"/refunds/{refund}/approve", {"reason": "checked"})).status_code == 303
    page = text_of(await console[Role.ADMIN].get(f"/audit?action=refund.approved&object={refund}"))
    assert "approval: waiting → given" in page
    assert "amount: 6.00 EUR" in page


async def test_what_was_done_again_says_how_it_stood(console: Console) -> None:
    seeded = await seed(console.api.runtime, console.api.ours.id)
    admin = console[Role.ADMIN]
    await sql.rows("update tollbridge.delivery set state = 'parked', reason = 'odd' where id = $1", seeded.delivery)
    await by_hand.replay(Author(admin.user), seeded.account, seeded.delivery)
    view = await saved_views.save(Author(admin.user), seeded.account, "invoices", "mine", "state=due", shared=False)
    await saved_views.share(Author(admin.user), seeded.account, view, shared=True)
    await sql.rows("update tollbridge.attempt set state = 'pending', resolve_at = $1, resolved_at = null", LATER)
    await ask_processor(Author(admin.user), seeded.account, seeded.invoice)
    found = {}
    for row in await sql.rows("select action, before, after from tollbridge.audit_log where before is not null"):
        found[row["action"]] = (msgspec.json.decode(row["before"]), msgspec.json.decode(row["after"]))
    assert found["delivery.replayed"] == ({"state": "parked"}, {"state": "stored"})
    asked_before, asked_after = (side["next_lookup"] for side in found["attempt.asked_about"])
    assert (asked_before, asked_after < asked_before) == (LATER.isoformat().replace("+00:00", "Z"), True)
    assert found["console_view.shared"] == ({"shared": False}, {"shared": True})


async def test_a_reason_has_the_length_that_the_api_allows(console: Console) -> None:
    seeded = await seed(console.api.runtime, console.api.ours.id)
    await sql.rows(LIMIT, console.api.ours.id)
    admin = console[Role.ADMIN]
    await console[Role.FINANCE].post("/refunds", {"invoice": seeded.invoice, "amount": "6", "once": "x"})
    refund = await sql.value("select id from tollbridge.refund where approval = 'waiting'")
    case = await add_case(console, CaseKind.BOOKS_DIFFER, seeded.invoice)
    forms = {
        f"/refunds/{refund}/deny": {},
        f"/cases/{case}/repair/compare_books": {},
        f"/subscriptions/{seeded.subscription}/cancel": {"ends": "now"},
    }
    found = {path: (await admin.post(path, {**fields, "reason": LONG})).status_code for path, fields in forms.items()}
    assert set(found.values()) == {400}, found


@pytest.mark.parametrize("path", ["/audit", "/audit.csv"])
async def test_where_events_go_is_a_setting_and_the_log_names_the_host(console: Console, path: str) -> None:
    """An endpoint's address is shown whole to who may change the settings alone, since it often is its only secret."""
    await add_endpoint(console.api.runtime, console.api.ours.id, "https://192.0.43.8/made-up-secret")
    events = await console[Role.FINANCE].get("/events")
    assert "made-up-secret" not in events.text
    told = await console[Role.FINANCE].get(path)
    assert "webhook" in told.text
    assert "made-up-secret" not in told.text
