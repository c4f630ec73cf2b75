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
from markupsafe import Markup, escape

from gateway.accounts.errors import NotThereError
from gateway.console.commands import with_pages
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import Posted, Reasoned, Said
from gateway.console.parts import by_htmx
from gateway.console.render import led, shown
from gateway.console.settings.frame import LABELS, setting
from gateway.doctor import portal
from gateway.doctor.examine import Report, examine
from gateway.doctor.patient import patient
from gateway.doctor.why import why
from gateway.domain.doctor import Finding, Level
from gateway.domain.doctor_stripe import PORTAL
from gateway.domain.doctor_why import Answer
from gateway.domain.roles import Action
from gateway.readers.invoice_names import id_of
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
    "key": ("/settings/account", "the account", Action.CONFIGURE),
    "permissions": ("/settings/account", "the account", Action.CONFIGURE),
    "webhook": ("/settings/account", "the account", Action.CONFIGURE),
    "signatures": ("/settings/account", "the account", Action.CONFIGURE),
    "connection": ("/settings/connections", "the connections", Action.CONFIGURE),
    "endpoint": ("/settings/endpoints", "the webhook endpoints", Action.CONFIGURE),
    "policies": ("/settings/policies", "the policies", Action.CONFIGURE),
    "days_until_due": ("/settings/policies", "the policies", Action.CONFIGURE),
    "events": ("/webhooks", "webhooks in", Action.LOOK),
    "cases": ("/cases", "the cases", Action.LOOK),
}
"""Where what a check finds is put right, if what is to be done names no page itself."""
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
        return shown(desk, "settings/_findings.html", _findings(desk, report) | {"typed": None})
    return _shown(desk, report)


@page(f"{PATH}/why", Action.DIAGNOSE)
async def ask_why(desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], wanted: Asked = "") -> Template:
    """Everything about one invoice or subscription, in sentences."""
    answer: Answer | None = None
    wrong = RIGHT
    try:
        named = await id_of(desk.account, wanted)
        answer = await why(runtime, desk.account, named or wanted.strip())
    except NotThereError:
        wrong = Wrong("This account knows no invoice of this number or id, and no such subscription.", 404, "id")
    except Exception as error:
        wrong = wrong_of(error, LABELS)
    context = {
        "answer": answer,
        "asked": wanted.strip(),
        "human": [with_pages(desk, one) for one in answer.human] if answer else [],
    }
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
        return _shown(desk, wrong=wrong_of(error, LABELS), typed=data)
    return led(desk.path + PATH, "portal_fixed" if found else "portal_fine")


def _shown(
    desk: Desk, report: Report | None = None, *, said: str = "", wrong: Wrong = RIGHT, typed: Reasoned | None = None
) -> Template:
    """`typed`: the form that was to mend the portal, and could not."""
    found = _findings(desk, report) if report else {"report": None}
    context = {"said": said, "asked": "", "typed": typed, **found}
    return setting(desk, "doctor", "doctor.html", context, wrong)


def to_do(desk: Desk, one: Finding) -> Markup:
    """What is to be done, with the page or the button where there is one; empty where there is nothing."""
    told = with_pages(desk, one.what_to_do)
    told = told[:1].upper() + told[1:]
    path, name, action = PAGES.get(one.check.split(".")[0], ("", "", Action.LOOK))
    if not told or not path or told != escape(told.striptags()) or not desk.may(action):
        return told
    return told + Markup(' – <a href="{}">{}</a>').format(desk.path + path, name)


def _findings(desk: Desk, report: Report) -> dict[str, Any]:
    counts = {COUNTED[level]: sum(one.level is level for one in report.findings) for level in WORDS}
    return {
        "report": report,
        "counts": {words: count for words, count in counts.items() if count},
        "told": [one for one in report.findings if one.level is not Level.OK],
        "fine": [one for one in report.findings if one.level is Level.OK],
        "level_words": WORDS,
        "to_do": {one: to_do(desk, one) for one in report.findings},
        "portal": any(one.level is Level.WRONG and one.check == PORTAL for one in report.findings),
    }


doctor_routes: Final[list[Any]] = [show_doctor, show_findings, ask_why, fix_portal]
