"""The doctor: what is set up wrong or stands still, why an invoice or a subscription is where it is, and a rehearsal.

Each module looks at one group of things and hands back findings; what they mean is judged in `domain/doctor_*.py`. It
changes nothing but where somebody asks for a fix.
"""
