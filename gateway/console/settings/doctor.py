"""The doctor: what is set up wrong or stands still, the worst first, and why one object is where it is.

The examination asks Stripe some thirty questions, so the page stands before it begins, and is filled by what it finds;
without JavaScript a link leads to the same.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from gateway.accounts.errors import NotThereError
from gateway.console.desk import Desk, change, page
from gateway.console.forms import Posted, Reasoned, Said
from gateway.console.parts import by_htmx
from gateway.console.render import led, shown
from gateway.console.settings.frame import RIGHT, Wrong, setting, wrong_of
from gateway.doctor import portal
from gateway.doctor.examine import Report, examine
from gateway.doctor.patient import patient
from gateway.doctor.why import why
from gateway.domain.doctor import Level
from gateway.domain.doctor_stripe import PORTAL
from gateway.domain.doctor_why import Answer
from gateway.domain.roles import Action
from gateway.runtime import Runtime

PATH: Final = "/settings/doctor"
WORDS: Final = {
    Level.WRONG: "wrong",
    Level.NOTICE: "look at it",
    Level.UNKNOWN: "can't be seen from here",
    Level.OK: "fine",
}
COUNTED: Final = {**WORDS, Level.NOTICE: "to look at", Level.UNKNOWN: "not to be seen from here"}
PAGES: Final = {
    "key": ("/settings/account", "the account"),
    "permissions": ("/settings/account", "the account"),
    "webhook": ("/settings/account", "the account"),
    "signatures": ("/settings/account", "the account"),
    "connection": ("/settings/connections", "the connections"),
    "endpoint": ("/settings/endpoints", "the webhook endpoints"),
    "policies": ("/settings/policies", "the policies"),
    "days_until_due": ("/settings/policies", "the policies"),
    "events": ("/webhooks", "webhooks in"),
    "cases": ("/cases", "the cases"),
}
"""Where what a check finds is put right here; a finding's own words name the command."""
Asked = Annotated[str, QueryParameter(name="id", max_length=255)]


@page(PATH, Action.DIAGNOSE)
async def show_doctor(desk: NamedDependency[Desk], said: Said = "") -> Template:
    """The page, before anything was asked."""
    return _shown(desk, said=said)


@page(f"{PATH}/findings", Action.DIAGNOSE)
async def show_findings(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], request: Request[Any, Any, Any]
) -> Template:
    """What was found: in its place on the page, or with all of the page."""
    report = await examine(runtime, desk.account)
    if by_htmx(request):
        return shown(desk, "settings/_findings.html", _findings(report) | {"typed": None})
    return _shown(desk, report)


@page(f"{PATH}/why", Action.DIAGNOSE)
async def ask_why(desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], wanted: Asked = "") -> Template:
    """Everything about one invoice or subscription, in sentences."""
    answer: Answer | None = None
    wrong = RIGHT
    try:
        answer = await why(runtime, desk.account, wanted.strip())
    except NotThereError:
        wrong = Wrong("This account knows no such invoice (in_…) or subscription (sub_…).", 404, "id")
    except Exception as error:
        wrong = wrong_of(error)
    context = {"answer": answer, "asked": wanted.strip()}
    return setting(desk, "doctor", "doctor_why.html", context, wrong)


@change(f"{PATH}/fix-portal", Action.CONFIGURE)
async def fix_portal(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], data: Posted[Reasoned]
) -> Template | Redirect:
    """Payers change neither payment methods nor plans in Stripe's portal any more."""
    known = await patient(runtime, desk.account)
    try:
        found = await portal.unsafe(known)
        await portal.fix(known, desk.author(data.reason), found)
    except Exception as error:
        return _shown(desk, wrong=wrong_of(error), typed=data)
    return led(desk.path + PATH, "portal_fixed" if found else "portal_fine")


def _shown(
    desk: Desk, report: Report | None = None, *, said: str = "", wrong: Wrong = RIGHT, typed: Reasoned | None = None
) -> Template:
    """`typed`: the form that was to mend the portal, and could not."""
    context = {"said": said, "asked": "", "typed": typed, **(_findings(report) if report else {"report": None})}
    return setting(desk, "doctor", "doctor.html", context, wrong)


def _findings(report: Report) -> dict[str, Any]:
    counts = {COUNTED[level]: sum(one.level is level for one in report.findings) for level in WORDS}
    return {
        "report": report,
        "counts": {words: count for words, count in counts.items() if count},
        "told": [one for one in report.findings if one.level is not Level.OK],
        "fine": [one for one in report.findings if one.level is Level.OK],
        "level_words": WORDS,
        "pages": PAGES,
        "portal": any(one.level is Level.WRONG and one.check == PORTAL for one in report.findings),
    }


doctor_routes: Final[list[Any]] = [show_doctor, show_findings, ask_why, fix_portal]
