"""What every adapter must do, as checks that its author runs: see processors/README.md.

The author writes a `Subject` (subject.py): recorded answers of the processor and little code. `scenarios` play it, each
saying what must come of it; `checks` hold the adapter to the rest: what it sends, what it signs, what it keeps silent
about, what it declares. `plugin` gives them to pytest. Nothing here needs a network, a database or the gateway.
"""
