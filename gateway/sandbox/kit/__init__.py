"""What a sandbox server needs whatever it pretends to be: clock, faults, calls, idempotency keys, delivery, controls.

Nothing in here knows a processor or Stripe, and nothing but the standard library, msgspec, httpx and, for the page,
jinja2 is imported.
"""
