"""Run Snakemake as its command does, but look for finished jobs every second.

The executor waits ten seconds longer after each look that finds nothing, which no option changes. On a
cluster that spares the scheduler; here it would be most of the time of the tests.
"""

import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda self: 1.0, lambda self, seconds: None)

if __name__ == "__main__":
    sys.exit(main())
