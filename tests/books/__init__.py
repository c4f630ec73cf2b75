"""The books, in a whole world and over rows."""
