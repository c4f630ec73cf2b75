"""What goes wrong, as a page: the same sentence that the API gives, and the id by which our log tells more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
import structlog
from litestar import Request, Response
from litestar.response import Redirect, Template
from litestar.types import Scope

from gateway.accounts.errors import NotThereError
from gateway.api.problems import CODES, Code, ProblemError, problem_of
from gateway.api.request_id import request_id
from gateway.console.desk import HOME, Desk, SignInNeededError
from gateway.console.parts import by_htmx
from gateway.console.protection import HEADERS, FormRefusedError, SentBeforeError, cookie_of
from gateway.console.render import capital, sentence, shown, shown_to, words
from gateway.users.errors import SignInError, ThrottledError
from gateway.users.sessions import Session, Stage

log = structlog.get_logger()

NO_LABELS: Final[Mapping[str, str]] = {}
STAGES: Final = {Stage.CODE: "/sign-in/code", Stage.ENROL: "/sign-in/enrol"}
"""Where the rest of signing in is done."""


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any] | Template:
    """The console's exception handler."""
    if isinstance(error, SentBeforeError):
        answer: Response[Any] | Template = _sent_before(request, error)
    elif isinstance(error, SignInNeededError):
        answer = _to_sign_in(request, error)
    else:
        answer = _problem(request, error)
    # What the protection itself refuses does not pass through it any more.
    answer.headers.update({name: value for name, value in HEADERS.items() if name not in answer.headers})
    return answer


def _problem(request: Request[Any, Any, Any], error: Exception) -> Template:
    problem = problem_of(error)
    if problem.code is Code.INTERNAL:
        log.error("request_failed", error=type(error).__name__, exc_info=error)
    title, detail = _in_words(error, problem)
    context = {
        "title": title,
        "detail": detail,
        "back": _page_before(request) if isinstance(error, FormRefusedError) else "",
        "status": problem.status,
        "request_id": request_id(request.scope),
    }
    session = request.scope.get("user")
    at = _desk(request.scope)
    # HTMX leaves a page as it is on an error: what it asked for is shown in its place as a line.
    name = "problem_line.html" if by_htmx(request) else "problem.html"
    if at is not None:
        answer = shown(at, name, context, status=problem.status)
    else:
        answer = shown_to(session, name, context, status=problem.status)
    # What the protection itself refuses does not pass through it any more.
    answer.headers.update({**HEADERS, **problem.headers})
    return answer


def _sent_before(request: Request[Any, Any, Any], error: SentBeforeError) -> Template:
    """The form again, under a mark of its own, and back to the page that it is of."""
    context = {"path": request.url.path, "typed": error.typed, "back": _page_before(request)}
    status, _ = CODES[Code.IDEMPOTENCY_MISMATCH]
    return shown_to(request.scope.get("user"), "sent_before.html", context, status=status)


TITLES: Final = {
    Code.SCOPE_MISSING: "Your role does not allow this",
    Code.NOT_FOUND: "There is no such page",
    Code.METHOD_NOT_ALLOWED: "There is no such page",
    Code.INVALID_REQUEST: "This can't be read",
}
"""What people are told where the API speaks of keys, objects and parameters."""


def _in_words(error: Exception, problem: ProblemError) -> tuple[str, str]:
    """A title, and what is the matter."""
    api_title = CODES[problem.code][1]
    if isinstance(error, FormRefusedError):
        return "This form was not taken", problem.detail
    if isinstance(error, NotThereError):
        return f"There is no such {error.kind}", f"This account has no {error.kind} {error.wanted}."
    title = TITLES.get(problem.code, api_title)
    if problem.detail == api_title:
        return title, title
    return title, _worded(problem.detail, problem.status, problem.param).top


def _desk(scope: Scope) -> Desk | None:
    """Where somebody works whose page went wrong; None before they have signed in, and outside of their accounts."""
    session: Session | None = scope.get("user")
    wanted = scope.get("path_params", {}).get("account")
    if session is None or session.stage is not Stage.COMPLETE:
        return None
    return next((Desk(session, seat) for seat in session.seats if seat.name == wanted), None)


def _to_sign_in(request: Request[Any, Any, Any], error: SignInNeededError) -> Response[Any]:
    """With the way back, and with a word of why, where it is a session that has ended."""
    settings, query = request.app.state.runtime.settings, {}
    if error.stage is None:
        is_form = request.method == "POST" and not by_htmx(request)
        back = _page_before(request) if is_form else _page_of(request)
        over = bool(cookie_of(request.scope, settings))
        said = ("form_not_sent" if is_form else "session_over") if over else ""
        query = {name: value for name, value in (("next", back), ("said", said)) if value}
    path = HOME + (STAGES[error.stage] if error.stage else "/sign-in")
    path += f"?{urlencode(query)}" if query else ""
    if by_htmx(request):
        return Response("", status_code=200, headers={"HX-Redirect": path})
    return Redirect(path, status_code=303)


def _page_of(request: Request[Any, Any, Any]) -> str:
    """HTMX asks for parts of a page: back leads to the page itself."""
    return _path(request.headers.get("hx-current-url", "") if by_htmx(request) else str(request.url))


def _page_before(request: Request[Any, Any, Any]) -> str:
    """The page on which a form stood; "" where a browser does not say, or it is none of ours."""
    path = _path(request.headers.get("referer", ""))
    return path if path.startswith(f"{HOME}/") else ""


def _path(address: str) -> str:
    try:
        url = urlsplit(address)
    except ValueError:
        return ""
    return url.path + (f"?{url.query}" if url.query else "")


class Wrong(msgspec.Struct, frozen=True):
    """What is wrong with a form: in words, under the status that the API would give, in which field of which form.

    `label` is what the field is called on its page; "" where the words are about no field, or name it themselves.
    `form` is one of several on its page; "" where there is one alone.
    """

    text: str = ""
    status: int = 200
    param: str = ""
    label: str = ""
    form: str = ""

    @property
    def top(self) -> str:
        """What the page begins with."""
        return sentence(f"{self.label}: {self.text}" if self.label else self.text) if self.text else ""

    def of(self, field: str, form: str = "") -> str:
        """What is to be said beside a field; an error inside of its value counts too."""
        here = self.param == field or self.param.startswith(f"{field}.")
        return self.text if here and self.form == form else ""


RIGHT: Final = Wrong()


def wrong_of(error: Exception, labels: Mapping[str, str] = NO_LABELS, *, form: str = "") -> Wrong:
    """What a form's page says of an error; raises what the form can't mend. `labels`: of fields whose label is not
    their name in words."""
    said, status = said_of(error)
    param = problem_of(error).param
    return _worded(said, status, param, labels, form)


def _worded(said: str, status: int, param: str, labels: Mapping[str, str] = NO_LABELS, form: str = "") -> Wrong:
    """The API begins a sentence with the parameter that it is about; people know the field by its label."""
    text = said.removeprefix(f"{param}: ") if param else said
    label = labels.get(param, words(param.rpartition(".")[2])) if text != said else ""
    return Wrong(capital(text), status, param, capital(label), form)


def said_of(error: Exception) -> tuple[str, int]:
    """What a form's page says of an error in what was given, and its status; raises what the form can't mend."""
    if isinstance(error, ThrottledError):
        return str(error), 429
    if isinstance(error, SignInError):
        return str(error), 401
    problem = problem_of(error)
    if problem.code in UNFORESEEN or isinstance(error, ProblemError):
        raise error
    return problem.detail, problem.status


UNFORESEEN: Final = frozenset({Code.INTERNAL, Code.NOT_FOUND, Code.DATABASE_UNAVAILABLE})
