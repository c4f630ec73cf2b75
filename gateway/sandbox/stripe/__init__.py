"""A local Stripe for tests and demonstrations: stateful, and strict where Stripe is strict. See README.md beside."""

from gateway.sandbox.stripe.app import create_app
from gateway.sandbox.stripe.sandbox import StripeSandbox

__all__ = ["StripeSandbox", "create_app"]
