"""What we tell the merchant's systems: events that the stories announced, signed, sent until they arrive."""
