"""Customers' payment methods: given, ordered, taken over and revoked."""
