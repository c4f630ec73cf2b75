"""The practice processor: a payment processor with nobody's money in it, for tests, demos and developers.

It answers at once or later, declines, asks for an action, loses answers, doubles and drops webhooks, and keeps a clock
that draws out a year in seconds. `PracticeProcessor` is its state, `create_app` the server around it.
"""

from gateway.sandbox.practice.app import create_app
from gateway.sandbox.practice.kinds import TokenKind
from gateway.sandbox.practice.processor import PracticeProcessor

__all__ = ["PracticeProcessor", "TokenKind", "create_app"]
