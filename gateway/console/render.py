"""Pages out of templates: what every page is given, and how values are written for people.

Templates escape everything, and a name that a template does not know is an error (`StrictUndefined`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Template
from litestar.template import TemplateConfig
from markupsafe import Markup, escape

from gateway.console.assets import asset
from gateway.console.desk import HOME, Desk
from gateway.console.links import page_of
from gateway.console.navigation import SECTIONS
from gateway.console.notices import notice
from gateway.console.tones import tone
from gateway.domain import times
from gateway.domain.roles import Action
from gateway.users.sessions import Session
from processors.errors import MoneyError
from processors.money import to_text

NAMED: Final = re.compile(r"https?://[^\s<>\"';,]*[^\s<>\"';,.:)]|\b[a-z]{2,4}_[A-Za-z0-9]+\b")
"""What is linked in a text: addresses, and ids."""
FOLDER: Final = Path(__file__).parent / "templates"
ROW: Final = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
CELL: Final = re.compile(r"<(t[dh])\b([^>]*)>(\s*–?\s*</td>)?")


def money(amount: int | None, currency: str | None) -> str:
    """An amount with its currency, as 12.00 EUR; a dash where there is none."""
    if amount is None or not currency:
        return "–"
    try:
        return to_text(amount, currency)
    except MoneyError:
        return f"{amount} {currency.upper()}"


def when(at: int | datetime | None, *, day: bool = False) -> Markup | str:
    """A time of business, in UTC; a dash where there is none. A browser shows it as it is."""
    if at is None:
        return "–"
    time = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    text = times.day(time) if day else times.moment(time)
    return Markup('<time datetime="{}">{}</time>').format(f"{time:%Y-%m-%dT%H:%M:%SZ}", text)


def words(value: object) -> str:
    """A state or a kind as words: `paid_at_stripe` as paid at Stripe."""
    if value in (None, ""):
        return "–"
    return re.sub(r"\bstripe\b", "Stripe", str(value).replace("_", " ").replace(".", ": "))


def capital(text: str) -> str:
    """Begun as a sentence is; the rest as it stands."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """With a capital letter and an end."""
    text = capital(text.strip())
    return text + ("" if text.endswith((".", "!", "?")) else ".")


def linked(text: str, path: str) -> Markup:
    """With links where it names addresses, and objects that have pages below `path`."""
    told, at = Markup(), 0
    for found in NAMED.finditer(text):
        named = found[0]
        page = page_of(named)
        href = named if named.startswith("http") else path + page if page else ""
        link = Markup('<a href="{}" rel="noreferrer">{}</a>').format(href, named) if href else escape(named)
        told += escape(text[at : found.start()]) + link
        at = found.end()
    return told + escape(text[at:])


def labelled(rows: Markup, names: Sequence[str]) -> Markup:
    """A table's rows, each cell with its column's name, by which it is known where a narrow screen shows no columns;
    a cell that holds nothing, or but a dash, is `none`: nothing need be said of it there."""

    def of_row(row: re.Match[str]) -> str:
        columns = iter(names)
        return CELL.sub(lambda cell: _labelled(cell, next(columns, "")), row.group())

    return Markup(ROW.sub(of_row, rows))  # noqa: S704 (what a template has escaped, with names of our own)


def _labelled(cell: re.Match[str], name: str) -> str:
    tag, attributes, dash = cell.groups()
    if dash:
        attributes = attributes.replace('class="', 'class="none ') if "class=" in attributes else ' class="none"'
    return f'<{tag}{attributes} data-label="{escape(name.lstrip(">"))}">{dash or ""}'


@pass_context
def form_fields(context: Context) -> Markup:
    """What every form carries: the proof that it is ours, and a mark by which it is carried out once."""
    session: Session | None = context.get("session")
    csrf = session.csrf if session is not None else ""
    fields = (("csrf", csrf), ("once", secrets.token_urlsafe(16)))
    return Markup("").join(Markup('<input type="hidden" name="{}" value="{}">').format(*field) for field in fields)


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"when": when, "words": words, "capital": capital, "sentence": sentence, "linked": linked}
    made.filters |= {"page_of": page_of, "tone": tone, "labelled": labelled}
    made.globals |= {
        "money": money,
        "asset": asset,
        "home": HOME,
        "form_fields": form_fields,
        "sections": SECTIONS,
        "Action": Action,
        "notice": notice,
    }
    return made


ENVIRONMENT: Final = _environment()


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """For the application."""
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(ENVIRONMENT))


def shown(desk: Desk, name: str, context: Mapping[str, Any], *, status: int = 200) -> Template:
    """A page of an account."""
    given = {**context, "desk": desk, "session": desk.session}
    return Template(template_name=name, context=given, status_code=status)


def shown_to(session: Session | None, name: str, context: Mapping[str, Any], *, status: int = 200) -> Template:
    """A page of no account, or one before anybody is signed in."""
    return Template(template_name=name, context={**context, "desk": None, "session": session}, status_code=status)


def led(path: str, said: str = "") -> Redirect:
    """On to another page by GET, where a line tells what was done (`notices`)."""
    mark = "&" if "?" in path else "?"
    return Redirect(f"{path}{mark}said={said}" if said else path, status_code=303)


def rows_of(values: Mapping[str, object]) -> list[tuple[str, object]]:
    """Pairs for a description list, without those that are empty."""
    return [(name, value) for name, value in values.items() if value not in (None, "", [], ())]
