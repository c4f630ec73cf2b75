"""A webhook's body as values, whatever its sender writes: JSON, XML, or an id and nothing else. Pure."""

from __future__ import annotations

import re
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException, ElementTree

BARE: Final = re.compile(rb"[!-~]{1,100}")
DEEPEST: Final = 30


def read(body: bytes) -> Any:
    """Its values; None where it can't be read."""
    text = body.strip()
    if text.startswith(b"<"):
        return _xml(text)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"id": text.decode()} if BARE.fullmatch(text) else None


def _xml(text: bytes) -> Any:
    try:
        root = ElementTree.fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, RecursionError):
        return None
    return {root.tag: _element(root, 0)}


def _element(element: Element, depth: int) -> Any:
    if len(element) == 0 or depth > DEEPEST:
        return element.text or ""
    found: dict[str, Any] = {}
    for child in element:
        value = _element(child, depth + 1)
        if child.tag in found:
            before = found[child.tag]
            found[child.tag] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            found[child.tag] = value
    return found
