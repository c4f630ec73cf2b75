"""Where subjects are found: by entry point, or by name."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final

from processors.conformance.subject import Subject

GROUP: Final = "tollbridge.conformance"


class NoSubjectError(Exception):
    """What was named is no subject."""


def installed() -> list[Subject]:
    """Of every installed package, by the group `tollbridge.conformance`, each once."""
    return _each(one for entry in entry_points(group=GROUP) for one in _of(entry.value, entry.load()))


def named(names: Iterable[str]) -> list[Subject]:
    """By `module:NAME`; raises NoSubjectError."""
    return _each(one for name in names for one in _of(name, _load(name)))


def _load(name: str) -> object:
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute or "SUBJECT")
    except (ImportError, AttributeError) as error:
        raise NoSubjectError(f"{name} can't be loaded: {error}") from error


def _of(name: str, found: object) -> tuple[Subject, ...]:
    """A subject, or several under one name."""
    subjects = found if isinstance(found, tuple) else (found,)
    if not subjects or not all(isinstance(one, Subject) for one in subjects):
        raise NoSubjectError(f"{name} is no Subject")
    return subjects


def _each(subjects: Iterable[Subject]) -> list[Subject]:
    return list({id(one): one for one in subjects}.values())
