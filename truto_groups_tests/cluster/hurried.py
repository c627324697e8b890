"""The project's definitions, for a trial of minutes: planned each minute, in runs of few accounts.

Nothing else is other than in ``truto_groups.definitions``. The code server and the workers load it.
"""

import os
from datetime import timedelta

from truto_groups.accounts import ranges

ranges.TICK_LIMITS = ranges.Limits(in_a_range=int(os.environ["TRIAL_ACCOUNTS_IN_A_RANGE"]))

from truto_groups.accounts import planning  # noqa: E402 - takes the limits when it is imported

planning.REFRESH_TICK = timedelta(minutes=1)

from truto_groups.definitions import defs  # noqa: E402 - takes the tick when it is imported

__all__ = ["defs"]
