"""Policies: every one as a field, with a live picture of the retry plan; what would change is shown before it is saved.

What is typed travels in addresses until it is saved: it is no secret, and nothing is changed by looking.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from gateway.accounts import accounts
from gateway.accounts.accounts import Account, AccountChange, merged_policies
from gateway.accounts.audit import required
from gateway.accounts.errors import FieldError
from gateway.accounts.settlement import check_connections
from gateway.clock import business_now
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import Said
from gateway.console.render import led, shown
from gateway.console.settings.frame import LABELS, Posts, posts, setting
from gateway.console.settings.plan_picture import picture
from gateway.console.settings.policy_fields import FIELDS, GROUPS
from gateway.console.settings.policy_values import DAYS, changed, default_of, differences, typed
from gateway.console.settings.policy_values import shown as in_words
from gateway.domain.outlook import LONGEST_DAYS, outlook
from gateway.domain.policy import Policy
from gateway.domain.roles import Action
from gateway.runtime import Runtime

PATH: Final = "/settings/policies"
PICTURED: Final = "picture_days"
"""For which invoice the picture is drawn: the reader's choice, and no policy."""


@page(PATH, Action.CONFIGURE)
async def show_policies(desk: NamedDependency[Desk], said: Said = "") -> Template:
    """All of them, as they stand."""
    return await _form(desk, await accounts.show(desk.account), Posts({}), said=said)


@page(f"{PATH}/plan", Action.CONFIGURE)
async def show_plan(desk: NamedDependency[Desk], request: Request[Any, Any, Any]) -> Template:
    """The picture alone, of what is typed; or why there is none."""
    return shown(desk, "settings/_plan.html", await _plan(_asked(request), await accounts.show(desk.account)))


@page(f"{PATH}/review", Action.CONFIGURE)
async def review(desk: NamedDependency[Desk], request: Request[Any, Any, Any]) -> Template | Redirect:
    """What would change, before it does."""
    account, asked = await accounts.show(desk.account), _asked(request)
    try:
        wanted, after = await _judged(account, asked)
    except FieldError as error:
        return await _form(desk, account, asked, wrong=_of_policy(error))
    if not wanted:
        return led(desk.path + PATH, "settings_same")
    return await _reviewed(desk, account, asked, wanted, after)


@change(PATH, Action.CONFIGURE)
async def save(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """What was looked over is saved, with a reason. What somebody else has set meanwhile stays, or is seen first."""
    account, asked = await accounts.show(desk.account), await posts(request)
    try:
        wanted, after = await _judged(account, asked)
        if wanted and _mark(account) != asked.text("seen"):
            stale = "The policies were changed meanwhile. This is how they would change now."
            return await _reviewed(desk, account, asked, wanted, after, Wrong(stale, 409))
        reason = required(asked.text("reason"))
        author = desk.author(reason)
        await accounts.update(runtime.keyring, author, desk.account, AccountChange(policies=wanted))
    except FieldError as error:
        if error.param == "reason":
            return await _reviewed(desk, account, asked, wanted, after, wrong_of(error, LABELS))
        return await _form(desk, account, asked, wrong=_of_policy(error))
    return led(desk.path + PATH, "settings_saved" if author.changes else "settings_same")


async def _judged(account: Account, asked: Posts) -> tuple[dict[str, Any], Policy]:
    """What changes, and the policies after it; raises FieldError."""
    wanted = changed(asked, account.policy)
    after = msgspec.convert(merged_policies(account.policies, wanted), Policy)
    await check_connections(account.id, after)
    return wanted, after


async def _reviewed(
    desk: Desk, account: Account, asked: Posts, wanted: dict[str, Any], after: Policy, wrong: Wrong = RIGHT
) -> Template:
    now, days = await business_now(), _days(asked, after)
    fields = [one for one in FIELDS.values() if one.policy in wanted and one.name in asked.values]
    context = {
        "changes": differences(account.policy, after),
        "carried": [(one.name, value) for one in fields for value in asked.values[one.name]],
        "seen": _mark(account),
        "reason": asked.text("reason"),
        "days": days,
        "before": picture(outlook(account.policy, days, now)),
        "after": picture(outlook(after, days, now)),
    }
    return setting(desk, "policies", "policies_review.html", context, wrong)


async def _form(desk: Desk, account: Account, asked: Posts, *, wrong: Wrong = RIGHT, said: str = "") -> Template:
    policy = account.policy
    values = {
        name: "\n".join(asked.values[name]) if name in asked.values else typed(one, policy)
        for name, one in FIELDS.items()
    }
    context = {
        "groups": GROUPS,
        "values": values,
        "defaults": {name: default_of(one) for name, one in FIELDS.items()},
        "changed": {name for name, one in FIELDS.items() if in_words(one, policy) != default_of(one)},
        "weekdays": DAYS,
        "said": said,
        **await _plan(asked, account),
    }
    return setting(desk, "policies", "policies.html", context, wrong)


async def _plan(asked: Posts, account: Account) -> dict[str, Any]:
    """The picture of what is typed, for so many days until the due date as the reader likes."""
    try:
        policy = msgspec.convert(merged_policies(account.policies, changed(asked, account.policy)), Policy)
        days = _days(asked, policy)
        drawn = picture(outlook(policy, days, await business_now()))
    except FieldError as error:
        typed_days = asked.text(PICTURED) or str(account.policy.days_until_due)
        return {"plan": None, "why": _of_policy(error).top, "days": typed_days, "hosted": False}
    return {"plan": drawn, "why": "", "days": days, "hosted": policy.collection == "hosted"}


def _days(asked: Posts, policy: Policy) -> int:
    text = asked.text(PICTURED) or str(policy.days_until_due)
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= LONGEST_DAYS:
        raise FieldError(PICTURED, f"between 1 and {LONGEST_DAYS}")
    return int(text)


def _mark(account: Account) -> str:
    """Of the policies as somebody saw them."""
    return hashlib.sha256(msgspec.json.encode(account.policies, order="sorted")).hexdigest()[:32]


def _asked(request: Request[Any, Any, Any]) -> Posts:
    query = request.query_params
    return Posts({name: query.getall(name) for name in query})


def _of_policy(error: Exception) -> Wrong:
    wrong = wrong_of(error, LABELS)
    name = wrong.param.removeprefix("policies.")
    field = next((one for one in FIELDS.values() if one.name == name or name.startswith(f"{one.name}.")), None)
    return Wrong(wrong.text, wrong.status, name, field.label if field else wrong.label)


policy_routes: Final[list[Any]] = [show_policies, show_plan, review, save]
