"""The paths whose histories are played: each is a function that acts, comes to rest, and asserts its own end.

To add one, write

    @path()                       # or @path(begins=subscribed): with what a first function has made before
    async def my_path(world: CrashWorld, begun: Signup) -> None:
        ...                       # act: every outside call and COMMIT in here becomes a point of the sweep
        await world.rest()
        assert ...                # the end that every history of it must have

and it is part of `scripts/test crash`. The end must be asserted by what Stripe and the processor show; the invariants
are checked after it. What `begins` makes is not swept again: it is played once and then put back from a copy.
"""

from tests.crash.paths import amounts, collecting, life, metered, returning, telling, usage
from tests.crash.paths.registry import PATHS, Path

__all__ = ["PATHS", "Path", "amounts", "collecting", "life", "metered", "returning", "telling", "usage"]
