"""Passwords: argon2id, with its library's own parameters (RFC 9106's second recommendation), off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from gateway.accounts.errors import FieldError

SHORTEST: Final = 12
LONGEST: Final = 256
HASHER: Final = PasswordHasher()
HANDS: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
"""Each hash takes 64 MiB while it is made: a crowd at the door waits in line instead of filling the memory."""


def refuse_weak(password: str, *personal: str) -> None:
    """Raises FieldError for a password that is too short, or made of what everybody knows of its owner.

    Length is what counts, and no rule about kinds of letters (NIST SP 800-63B-4, 3.1.1.2).
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise FieldError("password", f"must have {SHORTEST} to {LONGEST} letters; a few words make a good one")
    if len(set(password)) < 5:
        raise FieldError("password", "must have at least five different letters")
    known = {part for text in personal for part in text.lower().replace("@", " ").split() if len(part) >= 3}
    rest = password.lower()
    for part in known | {"tollbridge", "password"}:
        rest = rest.replace(part, "")
    if len(rest) < SHORTEST // 2:
        raise FieldError("password", "must not be made of your name, your mail address or the like")


async def hashed(password: str) -> str:
    """The form a password is kept in."""
    return await asyncio.get_running_loop().run_in_executor(HANDS, HASHER.hash, password)


async def matches(kept: str, password: str) -> bool:
    """Whether it is the one. Where none is kept, it takes as long as where one is wrong."""
    return await asyncio.get_running_loop().run_in_executor(HANDS, _matches, kept, password)


def _matches(kept: str, password: str) -> bool:
    if not kept:
        HASHER.hash(password[:LONGEST])
        return False
    try:
        return HASHER.verify(kept, password[:LONGEST])
    except (VerifyMismatchError, InvalidHashError):
        return False
