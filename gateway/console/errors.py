"""What goes wrong, as a page: the same sentence that the API gives, and the id by which our log tells more."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlsplit

import structlog
from litestar import Request, Response
from litestar.response import Redirect, Template

from gateway.api.problems import CODES, Code, ProblemError, problem_of
from gateway.api.request_id import request_id
from gateway.console.desk import HOME, SignInNeededError
from gateway.console.parts import by_htmx
from gateway.console.protection import HEADERS, SentBeforeError
from gateway.console.render import shown_to
from gateway.users.errors import SignInError, ThrottledError
from gateway.users.sessions import Stage

log = structlog.get_logger()

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
    context = {
        "title": CODES[problem.code][1],
        "detail": problem.detail,
        "status": problem.status,
        "request_id": request_id(request.scope),
    }
    session = request.scope.get("user")
    # HTMX leaves a page as it is on an error: what it asked for is shown in its place as a line.
    name = "problem_line.html" if by_htmx(request) else "problem.html"
    answer = shown_to(session, name, context, status=problem.status)
    answer.headers.update(problem.headers)
    return answer


def _sent_before(request: Request[Any, Any, Any], error: SentBeforeError) -> Template:
    """The form again, under a mark of its own, and back to the page that it is of."""
    context = {"path": request.url.path, "typed": error.typed, "back": _form_of(request)}
    status, _ = CODES[Code.IDEMPOTENCY_MISMATCH]
    return shown_to(request.scope.get("user"), "sent_before.html", context, status=status)


def _form_of(request: Request[Any, Any, Any]) -> str:
    """The page of the console that a form was sent from, as its browser says."""
    try:
        url = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return ""
    return url.path + (f"?{url.query}" if url.query else "") if url.path.startswith(f"{HOME}/") else ""


def _to_sign_in(request: Request[Any, Any, Any], error: SignInNeededError) -> Response[Any]:
    path = HOME + (STAGES[error.stage] if error.stage else "/sign-in")
    back = _page_of(request) if error.stage is None else ""
    if back:
        path += f"?next={quote(back, safe='')}"
    if by_htmx(request):
        return Response("", status_code=200, headers={"HX-Redirect": path})
    return Redirect(path, status_code=303)


def _page_of(request: Request[Any, Any, Any]) -> str:
    """The page that was asked for, to come back to; of a form none. HTMX asks for parts of a page: it is the page
    itself."""
    if not by_htmx(request):
        query = request.scope["query_string"].decode("latin-1")
        return quote(request.scope["path"]) + (f"?{query}" if query else "") if request.method == "GET" else ""
    try:
        url = urlsplit(request.headers.get("hx-current-url", ""))
    except ValueError:
        return ""
    return url.path + (f"?{url.query}" if url.query else "")


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
