"""Checkout sessions: made once, shown without asking Stripe, changed, confirmed, expired."""
