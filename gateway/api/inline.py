"""The inline elements of our pages: each is named in the page's policy by its hash, so that a browser runs no other."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256


def hash_source(page: str, element: str) -> str:
    """What names the one such element in a policy (W3C: Content Security Policy, hash-source)."""
    found = re.search(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
    assert found is not None, f"the page has one <{element}>"
    return "'sha256-" + b64encode(sha256(found[1].encode()).digest()).decode() + "'"
