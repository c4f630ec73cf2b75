"""`GET /` shows, `POST /` does what a button says and goes back. What is shown comes from outside: all is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.sandbox.kit.asgi import HttpError, Reply, Request
from gateway.sandbox.kit.faults import Broken, Effect
from gateway.sandbox.kit.page import guard, shelves, tables, views
from gateway.sandbox.kit.page.actions import act
from gateway.sandbox.kit.sandbox import Sandbox

HERE = Path(__file__).parent
STYLE_PATH = "/_sandbox/page.css"
STYLE = (HERE / "page.css").read_bytes()
EVENTS = ("events", "thin_events")
HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    # With no-referrer a browser would send `Origin: null`, and the buttons' origin could not be checked.
    "referrer-policy": "same-origin",
}
TEMPLATES = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


class Page:
    """The page of one server. `beside`: the servers that run with it, by address; their clocks move with this one."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.beside: dict[str, Sandbox] = {}

    def is_for(self, request: Request) -> bool:
        return request.path in ("/", STYLE_PATH)

    async def handle(self, request: Request) -> Reply:
        """Raises HttpError."""
        if request.path == STYLE_PATH:
            return Reply(200, STYLE, {"content-type": "text/css; charset=utf-8", "cache-control": "max-age=60"})
        if request.method == "GET":
            return self._shown(request.query)
        if request.method != "POST":
            raise HttpError(405, "method_not_allowed", f"{request.method} is not a method of /")
        guard.check_form(request)
        return await self._done(request.form())

    async def _done(self, form: dict[str, str]) -> Reply:
        back = dict(parse_qsl(form.get("back", "")))
        back.pop("said", None)
        try:
            said = await act(self.sandbox, list(self.beside.values()), form)
        except (ValueError, LookupError) as error:
            return self._shown(back, problem=str(error), status=400)
        return Reply(303, b"", {"location": "/?" + urlencode(back | {"said": said})})

    def _shown(self, query: dict[str, str], *, problem: str = "", status: int = 200) -> Reply:
        sandbox = self.sandbox
        account = views.pick(sandbox.accounts, query.get("account", ""), sandbox.calls)
        page = self._view(query, account)
        account = page.get("of", account)
        known = {
            "title": sandbox.title,
            "beside": {url: one.title for url, one in self.beside.items()},
            "clock": sandbox.clock,
            "now": sandbox.now(),
            "next_at": min((at for one in self._all() if (at := one.clock.next_at()) is not None), default=None),
            "when": tables.when,
            "query": query,
            "back": urlencode({name: value for name, value in query.items() if name != "said"}),
            "problem": problem,
            "account": account,
            "keys": sandbox.keys_of(account.id) if account else [],
            "accounts": [one.id for one in sandbox.accounts.values()],
            "shelves": {name: len(one) for name, one in shelves.shelves(account).items()} if account else {},
            "counts": {"calls": len(sandbox.calls), "faults": len(sandbox.faults.pending)}
            | {"deliveries": len(sandbox.delivery.log), "waiting": sandbox.delivery.waiting},
        }
        text = TEMPLATES.get_template("page.html").render(known | page)
        return Reply(status if page["view"] != "missing" else 404, text.encode(), HEADERS)

    def _all(self) -> list[Sandbox]:
        return [self.sandbox, *self.beside.values()]

    def _view(self, query: dict[str, str], account: Any) -> dict[str, Any]:
        """What stands under the header: `view` names the part of the template."""
        page, search = _number(query.get("page", "1")), query.get("q", "")
        if "id" in query:
            return self._object(query["id"])
        if "call" in query:
            return self._call(_number(query["call"]))
        match query.get("view", ""):
            case "calls":
                return {"view": "list", "heading": "Calls", "table": views.calls(self.sandbox, page, search)}
            case "deliveries":
                return {"view": "deliveries", "table": views.tries(self.sandbox, page), **self._delivery()}
            case "faults":
                return {"view": "faults", **self._faults()}
            case "objects":
                shelf = query.get("shelf", "")
                table = views.objects(account, shelf, page, search) if account else tables.Table([], [])
                return {"view": "list", "heading": shelf.replace("_", " ").capitalize(), "table": table}
            case _:
                recent = {"calls": views.calls(self.sandbox), "tries": views.tries(self.sandbox)}
                for table in recent.values():
                    table.rows, table.more = table.rows[: views.RECENT], False
                return {"view": "overview", **recent}

    def _object(self, id: str) -> dict[str, Any]:
        found = next(shelves.find(self.sandbox.accounts, id), None)
        if found is None:
            return {"view": "missing", "wanted": id}
        account, shelf, item = found
        return {
            "view": "object",
            "wanted": id,
            "of": account,
            "shelf": shelf,
            "json": views.pretty(shelves.shown(item), account),
            "secret": item.get("_secret") if isinstance(item, dict) else None,
            "is_event": shelf in EVENTS,
            "tries": views.tries(self.sandbox, event=id) if shelf in EVENTS else None,
        }

    def _call(self, number: int) -> dict[str, Any]:
        call = views.call(self.sandbox, number)
        if call is None:
            return {"view": "missing", "wanted": f"call {number}"}
        account = next((one for one in self.sandbox.accounts.values() if one.id == call.account), None)
        return {"view": "call", "wanted": f"{call.method} {call.path}", "json": views.pretty(call.shown(), account)}

    def _delivery(self) -> dict[str, Any]:
        delivery = self.sandbox.delivery
        return {"delivery": delivery, "letters": views.waiting(self.sandbox)}

    def _faults(self) -> dict[str, Any]:
        pending = [(one, views.fault_text(one)) for one in self.sandbox.faults.pending]
        effects = [one for one in Effect if one is not Effect.HIDDEN or self.sandbox.faults.can_hide]
        return {"pending": pending, "effects": effects, "bodies": list(Broken)}


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 else 1
