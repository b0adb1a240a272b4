"""How property tests run: the same examples each time, so that a suite is green or red and not both.

`EXPLORE=1` looks for new examples instead.
"""

import os

from hypothesis import settings


def examples(count: int, steps: int = 50) -> settings:
    """So many examples of a property, with so many steps where it is a state machine."""
    return settings(
        max_examples=count,
        stateful_step_count=steps,
        derandomize="EXPLORE" not in os.environ,
        database=None,
        deadline=None,
    )
