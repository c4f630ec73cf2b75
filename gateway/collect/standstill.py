"""What the view's rows say of times in which an invoice is not collected: pauses, and downtime."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from gateway.domain.billed import BilledInvoice
from gateway.domain.downtime import Span, merged
from gateway.domain.view import Pause


def pause_in(rows: Sequence[asyncpg.Record]) -> Pause | None:
    """The pause of an invoice or its customer that ends last; the rows come in that order."""
    return Pause(rows[-1]["reason"], rows[-1]["paused_at"], rows[-1]["until_at"]) if rows else None


def downtime_in(
    rows: Sequence[asyncpg.Record], locks: Sequence[asyncpg.Record], invoice: BilledInvoice | None
) -> tuple[Span, ...]:
    """Downtime since the invoice was finalized; a draft is collected by nobody, so none of it counts.

    While a processor has locked the merchant's account nothing is charged there either.
    """
    if invoice is None:
        return ()
    spans = [Span(row["from_at"], row["until_at"]) for row in rows]
    spans += [Span(row["opened_at"], row["closed_at"]) for row in locks]
    return merged(spans, invoice.finalized_at or invoice.created)
