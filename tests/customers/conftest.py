"""A world, as the scenarios have it."""

from tests.scenarios.conftest import world

__all__ = ["world"]
