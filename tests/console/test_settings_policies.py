"""Policies in the settings: every one has its field, and what would change is seen before it is saved."""

from __future__ import annotations

import re
from typing import Any

import httpx
import msgspec
import pytest

from db import sql
from gateway.accounts import accounts
from gateway.accounts.errors import FieldError
from gateway.console.settings.frame import Posts
from gateway.console.settings.policy_fields import FIELDS
from gateway.console.settings.policy_kinds import Kind
from gateway.console.settings.policy_values import changed, default_of, typed
from gateway.domain.policy import Policy
from gateway.domain.roles import Role
from tests.console.conftest import Console
from tests.support.staff import Person, text_of

PATH = "/settings/policies"
UNUSUAL = Policy(
    hours_of_day=(7, 20),
    avoid_weekdays=("sat", "sun"),
    avoid_days=(1, 31),
    at_end=("cancel_subscription", "void"),
    at_end_first=(),
    approval_above={"eur": 10_050, "jpy": 5_000, "isk": 50_000, "kwd": 1_234},
    small_differences={"eur": 0},
    stripe_mails_off=True,
)


def _form(policy: Policy) -> Posts:
    return Posts({name: [typed(one, policy)] for name, one in FIELDS.items() if one.kind is not Kind.WEEKDAYS})


def _fields(answer: httpx.Response) -> dict[str, str]:
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.text)
    return {name: value for name, value in pairs if name not in ("csrf", "once")}


async def _policies(console: Console) -> dict[str, Any]:
    return (await accounts.show(console.api.ours.id)).policies


async def _review(person: Person, **fields: str) -> httpx.Response:
    query = str(httpx.QueryParams(fields))
    return await person.get(f"{PATH}/review?{query}")


def test_every_policy_has_its_field() -> None:
    assert {one.policy for one in FIELDS.values()} == set(Policy.__struct_fields__)
    assert all(default_of(one) for one in FIELDS.values())


@pytest.mark.parametrize("policy", [Policy(), UNUSUAL])
def test_what_is_shown_is_what_is_read(policy: Policy) -> None:
    assert changed(_form(policy), policy) == {}


def test_what_is_emptied_goes_back_to_its_default() -> None:
    emptied = Posts({"at_end_first": [""], "approval_above": [""], "avoid_weekdays": [""], "hours_of_day": [""]})
    wanted = changed(emptied, UNUSUAL)
    assert wanted == dict.fromkeys(("approval_above", "at_end_first", "avoid_weekdays", "hours_of_day"))


def test_values_are_read_as_people_write_them() -> None:
    given = {
        "ladder_hours": ["0, 24; 72"],
        "avoid_weekdays": ["", "sun", "sat"],
        "returns_up_to": ["1,000.50 EUR\n\n500 jpy"],
        "at_end": ["nothing"],
        "journal.bank": ["Assets:House-Bank"],
    }
    wanted = changed(Posts(given), Policy())
    assert (wanted.pop("journal")["bank"], wanted) == (
        "Assets:House-Bank",
        {
            "ladder_hours": [0, 24, 72],
            "avoid_weekdays": ["sat", "sun"],
            "returns_up_to": {"eur": 100_050, "jpy": 500},
            "at_end": [],
        },
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("margin_hours", "a day"),
        ("hours_of_day", "7"),
        ("returns_up_to", "100"),
        ("returns_up_to", "1.234 EUR"),
        ("approval_above", "12,5 EUR"),
        ("approval_above", "1,2,3 EUR"),
        ("approval_above", "1,000 EUR"),
        ("approval_above", "100 EUR\n50 eur"),
        ("approval_above", "1 ZZZ"),
        ("approval_above", "-1 EUR"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_field(name: str, text: str) -> None:
    with pytest.raises(FieldError) as wrong:
        changed(Posts({name: [text]}), Policy())
    assert wrong.value.param == name


async def test_a_change_is_seen_before_it_is_saved(console: Console) -> None:
    admin = console[Role.ADMIN]
    seen = await _review(admin, margin_hours="48", fallback="soft")
    assert "Margin before the due date 24 hours 48 hours" in text_of(seen)
    assert await _policies(console) == {}
    saved = await admin.post(PATH, {**_fields(seen), "reason": "fewer late tries"})
    assert saved.headers["location"].endswith("/settings/policies?said=settings_saved")
    assert await _policies(console) == {"margin_hours": 48, "fallback": "soft"}
    wanted = "select reason, before, after from tollbridge.audit_log where action = 'account.updated'"
    row = await sql.row(wanted)
    assert row is not None
    assert (row["reason"], msgspec.json.decode(row["after"])["policies"]["margin_hours"]) == ("fewer late tries", 48)


async def test_a_reason_is_needed(console: Console) -> None:
    seen = await _review(console[Role.ADMIN], margin_hours="48")
    refused = await console[Role.ADMIN].post(PATH, _fields(seen) | {"reason": " "})
    assert (refused.status_code, 'id="reason-wrong"' in refused.text) == (400, True)
    assert "Margin before the due date 24 hours 48 hours" in text_of(refused)
    assert await _policies(console) == {}


async def test_what_cannot_work_is_said_at_its_field_with_what_was_typed(console: Console) -> None:
    refused = await _review(console[Role.ADMIN], ladder_hours="0, 24, 500", margin_hours="36")
    assert refused.status_code == 400
    assert re.search(r'id="ladder_hours-wrong">The last try, after 500 hours, does not fit', refused.text)
    assert 'value="0, 24, 500"' in refused.text
    assert 'value="36"' in refused.text


async def test_what_somebody_else_set_meanwhile_is_seen_first(console: Console) -> None:
    admin = console[Role.ADMIN]
    seen = await _review(admin, margin_hours="48")
    other = await _review(admin, due_soon_days="5")
    await admin.post(PATH, _fields(other) | {"reason": "meanwhile"})
    late = await admin.post(PATH, _fields(seen) | {"reason": "late"})
    assert (late.status_code, await _policies(console)) == (409, {"due_soon_days": 5})
    again = await admin.post(PATH, _fields(late) | {"reason": "again"})
    assert (again.status_code, await _policies(console)) == (303, {"due_soon_days": 5, "margin_hours": 48})


async def test_the_picture_follows_what_is_typed(console: Console) -> None:
    drawn = await console[Role.ADMIN].get(f"{PATH}/plan?ladder_hours=0,48&picture_days=7&margin_hours=24")
    said = text_of(drawn)
    assert drawn.text.count('<circle class="try"') == 2
    assert "Try 2: after 2 days, on" in said
    assert "<html" not in drawn.text
    for query, why in (("ladder_hours=24", "Tries: Starts with 0"), ("picture_days=0", "Between 1 and 365")):
        assert why in text_of(await console[Role.ADMIN].get(f"{PATH}/plan?{query}"))


async def test_the_page_has_a_field_for_everything_and_no_style_in_it(console: Console) -> None:
    page = await console[Role.ADMIN].get(PATH)
    assert all(f'name="{name}"' in page.text for name in FIELDS)
    assert "style=" not in page.text
