"""Our page for a payer who gives another payment method: one file, nothing from elsewhere, no cookie.

The address names the session, and the client secret stands behind its `#`, where browsers keep it to themselves: no
log of ours, of a proxy's or of the processor's holds it. The page moves it into the tab's own storage and goes on like
any merchant's page, over the API. Its bytes are the same for everybody, so nobody has to be asked for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from litestar import Response, get
from litestar.params import PathParameter

from gateway.api.inline import hash_source
from gateway.customers.update_link import PAGE as PLACE

PAGE: Final = (Path(__file__).parent / "method_page.html").read_text(encoding="utf-8")


HEADERS: Final = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": (
        f"default-src 'none'; img-src data:; style-src {hash_source(PAGE, 'style')}; "
        f"script-src {hash_source(PAGE, 'script')}; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    # The processor's page must not learn which session the payer comes from.
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


@get(PLACE + "/{session_id:str}", include_in_schema=False, sync_to_thread=False)
def method_page(session_id: Annotated[str, PathParameter(description="The session's id: pms_…")]) -> Response[str]:
    """The page; it reads the session's id from its own address."""
    return Response(PAGE, headers=HEADERS)


page_routes: Final[list[Any]] = [method_page]
