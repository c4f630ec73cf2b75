"""Cases: the inbox by kind, age and owner; one case, taken, given, written about and closed."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from db.states import CaseState
from gateway.accounts.errors import FieldError
from gateway.api.paging import After
from gateway.cases import add_note, assign, close_case
from gateway.console.case_page import case_page
from gateway.console.desk import Desk, change, page
from gateway.console.errors import wrong_of
from gateway.console.forms import ON_A_PAGE, Form, Posted, Reasoned, Said, chosen
from gateway.console.render import led, shown
from gateway.domain.case_age import Age
from gateway.domain.case_kinds import CaseKind
from gateway.domain.roles import Action
from gateway.readers.cases import count_cases, find_cases
from gateway.readers.invoice_names import invoice_briefs
from gateway.readers.object_names import object_names
from gateway.users import users

MINE: Final = "mine"
NOBODY: Final = "nobody"
ALL: Final = "all"

InState = Annotated[str, QueryParameter(name="state", pattern="^(open|closed|all)?$")]
OfKind = Annotated[str, QueryParameter(max_length=100)]
OfAge = Annotated[str, QueryParameter(pattern=f"^({'|'.join(Age)})?$")]
Whose = Annotated[str, QueryParameter(max_length=200)]


LABELS: Final = {"owner": "Give it to", "text": "A note", "reason": "Why"}
"""What the page calls the fields."""


class Giving(Form, frozen=True):
    """Empty: to nobody."""

    owner: str = ""
    seen: str = ""
    """Who saw to it on the page that the form is of."""


class Writing(Form, frozen=True):
    text: str = ""


@page("/cases")
async def cases(
    desk: NamedDependency[Desk],
    in_state: InState = "",
    kind: OfKind = "",
    age: OfAge = "",
    owner: Whose = "",
    starting_after: After = "",
    said: Said = "",
) -> Template:
    """What a human must look at. `owner`: mine, nobody, or somebody's mail address."""
    chosen(CaseKind, kind, "kind")
    state = None if in_state == ALL else CaseState(in_state or CaseState.OPEN)
    whose = {"owner": desk.session.email if owner == MINE else "" if owner == NOBODY else owner}
    found = await find_cases(
        desk.account,
        state,
        kind=kind,
        age=Age(age) if age else None,
        unowned=owner == NOBODY,
        limit=ON_A_PAGE,
        starting_after=starting_after,
        **whose,
    )
    wanted = {"state": in_state, "kind": kind, "age": age, "owner": owner}
    counts = await count_cases(desk.account, state, unowned=owner == NOBODY, **whose)
    context = {
        "found": found,
        "counts": counts,
        "ages": list(Age),
        "steps": [f">{one.means.capitalize()}" for one in Age],
        "age_in_words": Age(age).means if age else "",
        "wanted": wanted,
        "kinds": sorted({one.kind for one in counts} | ({kind} if kind else set())),
        "query": urlencode({name: value for name, value in wanted.items() if value}),
        "of": _address,
        "invoices": await invoice_briefs(desk.account, [one.invoice for one in found.data]),
        "called": await object_names(desk.account, [one.subject for one in found.data if not one.invoice]),
        "said": said,
    }
    return shown(desk, "cases.html", context)


def _address(wanted: dict[str, str], **other: str) -> str:
    """The query of the same list with other filters."""
    return urlencode({name: value for name, value in (wanted | other).items() if value})


@page("/cases/{case_id:str}")
async def case(desk: NamedDependency[Desk], case_id: FromPath[str], said: Said = "") -> Template:
    """One case."""
    return await case_page(desk, case_id, said=said)


@change("/cases/{case_id:str}/assign", Action.HANDLE_CASES)
async def give(desk: NamedDependency[Desk], case_id: FromPath[str], data: Posted[Giving]) -> Redirect | Template:
    """To oneself, to somebody who may work on cases here, or to nobody."""
    owner = data.owner.strip().lower()

    async def act() -> None:
        if owner and owner not in {one.email for one in await users.who_may(desk.account, Action.HANDLE_CASES)}:
            raise FieldError("owner", "is nobody who may work on cases in this account")
        await assign(desk.author(), desk.account, case_id, owner, seen=data.seen)

    said = "case_taken" if owner == desk.session.email else "case_given" if owner else "case_given_back"
    return await _done(desk, case_id, act(), said, "assign", data)


@change("/cases/{case_id:str}/note", Action.HANDLE_CASES)
async def write(desk: NamedDependency[Desk], case_id: FromPath[str], data: Posted[Writing]) -> Redirect | Template:
    """Something for whoever looks next."""
    act = add_note(desk.author(), desk.account, case_id, data.text, data.once)
    return await _done(desk, case_id, act, "case_noted", "note", data)


@change("/cases/{case_id:str}/close", Action.CLOSE_CASES)
async def close(desk: NamedDependency[Desk], case_id: FromPath[str], data: Posted[Reasoned]) -> Redirect | Template:
    """With a reason; what the case held up goes on."""
    act = close_case(desk.author(data.reason), desk.account, case_id, data.reason)
    return await _done(desk, case_id, act, "case_closed", "close", data)


async def _done(
    desk: Desk, case_id: str, act: Awaitable[Any], said: str, form: str, typed: Form
) -> Redirect | Template:
    """Back to the case's page, or that page with what stands in the way, and the form as it was filled in."""
    try:
        await act
    except Exception as error:
        return await case_page(desk, case_id, wrong=wrong_of(error, LABELS, form=form), form=form, typed=typed)
    return led(f"{desk.path}/cases/{case_id}", said)


case_routes: Final[list[Any]] = [cases, case, give, write, close]
