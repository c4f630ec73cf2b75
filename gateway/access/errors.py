"""Why access can't be granted by hand, or a grant not be taken back."""

from __future__ import annotations


class AccessGrantError(Exception):
    """The subscription or the grant has ended."""
