"""Customers: the payment methods that they keep, and their subscriptions as Stripe shows them."""
