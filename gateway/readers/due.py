"""When an invoice is due, the same for a list, a sum and a page of it."""

from __future__ import annotations

from typing import Final

# Stripe sets no date for what it charges by itself; ours holds while we collect it, not once it was handed back.
DUE: Final = "coalesce(t.due_date, case when t.collector = 'gateway' then t.collect_by end)"
"""Of a row of `tollbridge.invoice t`; its index is `invoice_due_day`."""
