"""Histories in which the worker dies at an outside call or a COMMIT."""
