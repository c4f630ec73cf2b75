"""The doctor's findings for people: a table, or one page to send to somebody.

The page is written by the command and not served: it holds no key, runs no script, loads nothing, and goes to whoever
it is sent to. A page that the server answered would need an admin key in a browser, where every extension reads along.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.markup import escape

from gateway.cli.output import OUT
from gateway.doctor.examine import Report
from gateway.doctor.rehearsal import Rehearsal
from gateway.domain.doctor import Finding, Level
from gateway.domain.doctor_why import Answer

COLOURS: Final = {Level.OK: "green", Level.NOTICE: "yellow", Level.WRONG: "bold red", Level.UNKNOWN: "cyan"}
PAGES: Final = Environment(
    loader=PackageLoader("gateway.cli", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def print_report(report: Report, *, everything: bool) -> None:
    """What is not fine, and how much is; `everything`: what is fine too."""
    counts = {level: sum(one.level is level for one in report.findings) for level in Level}
    mode = "live" if report.livemode else "test"
    told = ", ".join(f"{count} {level}" for level, count in counts.items() if count)
    OUT.print(f"[bold]{escape(report.name)}[/bold] ({mode}): {told}")
    for one in report.findings:
        if everything or one.level is not Level.OK:
            _print(one)


def _print(one: Finding) -> None:
    concerns = f" \\[{escape(one.concerns)}]" if one.concerns else ""
    colour = COLOURS[one.level]
    OUT.print(f"[{colour}]{one.level.value:<8}[/{colour}] {one.check}: {escape(one.what)}{concerns}", soft_wrap=True)
    for name, text in (("why", one.why), ("to do", one.what_to_do)):
        if text:
            OUT.print(f"         [dim]{name}:[/dim] {escape(text)}", soft_wrap=True)


def print_answer(answer: Answer) -> None:
    """The sentences, then what comes next, then what somebody can do."""
    OUT.print(f"[bold]{escape(answer.question)}[/bold] {escape(answer.id)}")
    for sentence in answer.sentences:
        OUT.print(f"- {escape(sentence)}", soft_wrap=True)
    OUT.print(f"[bold]Next:[/bold] {escape(answer.next)}{_at(answer.next_at)}", soft_wrap=True)
    for can in answer.human:
        OUT.print(f"[bold]You can:[/bold] {escape(can)}", soft_wrap=True)


def print_rehearsal(rehearsal: Rehearsal) -> None:
    """Each step with how long it took."""
    for step in rehearsal.steps:
        colour = "green" if step.ok else "bold red"
        OUT.print(f"[{colour}]{'ok' if step.ok else 'failed':<8}[/{colour}] {escape(step.what)}", soft_wrap=True)


def page(reports: Sequence[Report]) -> str:
    """The findings of these accounts as one HTML page."""
    return PAGES.get_template("doctor.html").render(reports=reports, when=_when)


def _when(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _at(seconds: int | None) -> str:
    return "" if seconds is None else f" ({_when(seconds)})"
