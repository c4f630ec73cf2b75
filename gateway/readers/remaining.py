"""What remains to be paid of an invoice, the same for a list, a sum and a file of it."""

from __future__ import annotations

from typing import Final

# Stripe goes on to show the amount of a void one as remaining.
REMAINING: Final = "case when t.status in ('void', 'deleted') then 0 else t.amount_remaining end"
"""Of a row of `tollbridge.invoice t`."""
