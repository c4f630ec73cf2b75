"""The benchmarks, one module each, on real processes and a real PostgreSQL of their own. `scripts/bench NAME` runs one.

Figures are ratios within one run, since machines differ and are shared. Load goes to 127.0.0.1 alone, and ends.
"""
