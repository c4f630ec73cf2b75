"""Webhooks in: verified over the raw bytes, stored, acknowledged after COMMIT, and routed by the worker.

`verify` and `routes` are the door, `intake` the group commit behind it. Nothing here does business work: `route` reads
what a delivery names and pokes it (gateway/README.md), by the one table in `table`. `refused` counts what the door
turned away.

The same table says what Stripe is to send. `stripe_endpoint` sets that up at Stripe, `endpoint_rows` is what we know of
it, and `account_setup` shows an account what it needs there.
"""
