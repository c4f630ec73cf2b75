"""The page of a sandbox server at `/`: what it holds, what it was asked, what it sent, and buttons for time and faults.

Plain HTML made here, without a script; nothing is loaded from elsewhere. Any server is shown by what its accounts hold
(`shelves.py`), so that a new kind of object needs no work here.
"""
