"""What a browser says of itself (its user agent), in plain words. Every program may say anything: it is a hint by which
people know their own devices, and nothing goes by it."""

from __future__ import annotations

from typing import Final

# Most say that they are others too: the first that fits is it.
BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS: Final = (
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "a Mac"),
    ("Linux", "Linux"),
)


def browser_of(agent: str) -> str:
    """As Firefox on Windows."""
    browser = next((name for mark, name in BROWSERS if mark in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    if not browser and not system:
        return "a program that is no known browser" if agent else "an unnamed browser"
    return (browser or "a browser") + (f" on {system}" if system else "")
