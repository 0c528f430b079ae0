"""`python -m digest.cli`, planning in smaller steps, so that 2,000 readers give ten transactions to kill between.

CRASH_STEP is the number of rows in one transaction of planning; all else is the program as it is.
"""

from __future__ import annotations

import os

from digest.cli import main
from digest.delivery import planning

if __name__ == "__main__":
    if step := int(os.environ.get("CRASH_STEP", "0")):
        planning.CHUNK, planning.BATCH = step, step
    main()
