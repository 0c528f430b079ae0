"""`digest ...` as it is, with the waits and sizes of the environment, so that a test need not wait for minutes.

FAULTS_STOP are the seconds that a sender which is asked to end still waits, FAULTS_BUSY those that anybody waits for a
held database, FAULTS_IDLE those between two looks of a resident clock. FAULTS_BATCH is the number of rows in a batch.
Under libfaketime `time.sleep` waits by select(2): its clock_nanosleep(2) fails when the monotonic clock is left alone.
"""

from __future__ import annotations

import os
import select
import time
from datetime import timedelta

import scheduler
from digest import cli, db
from digest.delivery import planning, sender


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


if "FAKETIME_TIMESTAMP_FILE" in os.environ:
    time.sleep = _sleep  # type: ignore[assignment]
    (sender.Sender.__init__.__kwdefaults__ or {})["rest"] = _sleep
if limit := os.environ.get("FAULTS_STOP"):
    sender.STOP_WITHIN = float(limit)
if limit := os.environ.get("FAULTS_BUSY"):
    db.WAIT_SECONDS = float(limit)
if limit := os.environ.get("FAULTS_IDLE"):
    scheduler.IDLE = timedelta(seconds=float(limit))
if size := os.environ.get("FAULTS_BATCH"):
    planning.BATCH = int(size)
cli.main()
