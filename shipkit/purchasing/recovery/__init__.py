"""Jobs that exist: listed, described, cancelled, restarted, decided, voided, pruned.

The session, the command line and the agent tools call these functions, so that all of them do and
say the same.
"""

from shipkit.purchasing.recovery.decisions import cancel, decide, restart
from shipkit.purchasing.recovery.interrupted import (
    Interrupted,
    check_interrupted_jobs,
    describe,
)
from shipkit.purchasing.recovery.job_list import interrupted_jobs, jobs
from shipkit.purchasing.recovery.pruning import prune
from shipkit.purchasing.recovery.refunds import update_refunds
from shipkit.purchasing.recovery.voiding import (
    VoidOutcome,
    refuse_silence,
    void_rows,
    void_surplus,
)

__all__ = [
    "Interrupted",
    "VoidOutcome",
    "cancel",
    "check_interrupted_jobs",
    "decide",
    "describe",
    "interrupted_jobs",
    "jobs",
    "prune",
    "refuse_silence",
    "restart",
    "update_refunds",
    "void_rows",
    "void_surplus",
]
