"""What a sandbox server needs whatever it pretends to be: a clock, faults, calls on record, signed delivery, controls.

Nothing in here knows a processor, and nothing outside the standard library, msgspec and httpx is imported.
"""
