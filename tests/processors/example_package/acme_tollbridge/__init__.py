"""Acme, a card processor that does not exist, as an adapter of Tollbridge: see processors/README.md."""
