"""Webhooks in: verified over the raw bytes, stored, acknowledged after COMMIT, and routed by the worker.

`verify` and `routes` are the door, `intake` the group commit behind it. Nothing here does business work: `route` reads
what a delivery names and pokes it (gateway/README.md), by the one table in `table`.
"""
