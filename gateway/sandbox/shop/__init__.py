"""A shop to try the checkout in: one page, and the little server behind it that a merchant would have.

It knows the gateway by its URL and an API key alone, as any merchant's server does, and imports nothing else of ours.
"""

from gateway.sandbox.shop.app import Shop, create_app

__all__ = ["Shop", "create_app"]
