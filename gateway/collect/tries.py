"""The tries of a card that its scheme counts (`domain/budget.py`), under all of its tokens, for all customers.

One piece of SQL for whoever plans the next try and for whoever counts under a lock before making it: two that differ
would plan tries that are never made.
"""

from __future__ import annotations

from typing import Final

# `p` is the payment method whose card it is. An hour more than the longest window: what is in it, the rules decide.
TRIES_OF_CARD: Final = """
    select t.sent_at from tollbridge.attempt t
    where t.account = p.account and t.fingerprint = p.fingerprint and t.state in ('declined', 'sending', 'unknown')
      and t.sent_at > tollbridge.business_now() - interval '30 days 1 hour'
"""
