"""Ask a processor now how a charge ended, before its time: the wish is stored, and `advance` heeds it.

Whether it is asked, or the same bytes go once more, is decided as ever (law 4); only the waiting is cut short.
"""

from __future__ import annotations

from typing import Final

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import AttemptState
from gateway.accounts.audit import Author
from gateway.clock import business_now
from gateway.domain.resending import can_ask
from gateway.finance.errors import AlreadyRunningError, NotNowError
from gateway.finance.invoice import hold_invoice

NOW: Final = """
    update tollbridge.attempt set resolve_at = least(resolve_at, $3) where account = $1 and id = $2 returning resolve_at
"""


async def ask_processor(by: Author, account: str, invoice: str) -> None:
    """Raises NotThereError, AlreadyRunningError, NotNowError."""
    now = await business_now()
    async with DB.transaction():
        attempt = (await hold_invoice(account, invoice)).unresolved
        if attempt is None:
            raise NotNowError("how its charges ended is known")
        if attempt.state is AttemptState.SENDING:
            raise AlreadyRunningError("the charge is on its way just now")
        if not can_ask(attempt):
            raise NotNowError("its processor can't be asked: only its notice says how the charge ended")
        asks_at = await sql.value(NOW, account, attempt.id, now)
        await poke.poke(Kind.INVOICE, account, [invoice], now)
        before, after = {"next_lookup": attempt.resolve_at}, {"next_lookup": asks_at}
        await by.note(account, "attempt.asked_about", attempt.id, name=invoice, before=before, after=after)
