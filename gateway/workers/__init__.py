"""The worker: the queue's entry points, and the timers that make every loss of a wake-up harmless.

`run.work` is the whole of it, in a process of its own or beside the API. Add workers anywhere: rows and claims hold
them apart, not the queue.
"""
