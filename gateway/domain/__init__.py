"""The rules, pure: functions over values, with no I/O and no clock. A reader can learn the whole of collection here."""
