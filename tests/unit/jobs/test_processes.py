"""Which processes may be ended: those that are proven to be workers of this run."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from surefoot.jobs.lease import Identity
from surefoot.jobs.processes import TOKEN, end, kill_worker, token_of

SAY = "import sys; sys.path[:0] = sys.argv[1:]\nfrom surefoot.jobs.lease import Identity\n"
SAY += "print(Identity.own().start, flush=True); import time; time.sleep(60)"


def test_number_start_and_token_have_to_agree(tmp_path: Path):
    ours, other = tmp_path / "ours", tmp_path / "other"
    worker = subprocess.Popen(
        [sys.executable, "-c", SAY, *sys.path], stdout=subprocess.PIPE, env=os.environ | {TOKEN: token_of(ours)}
    )
    try:
        assert worker.stdout is not None
        holder = replace(Identity.own(), pid=worker.pid, start=int(worker.stdout.readline()))
        assert not kill_worker(holder, other)
        assert not kill_worker(replace(holder, start=holder.start - 1000), ours)
        assert not kill_worker(replace(holder, boot="another-boot"), ours)
        assert not kill_worker(Identity.own(), ours)
        assert worker.poll() is None
        assert kill_worker(holder, ours)
        assert worker.wait(timeout=30) == -9
    finally:
        end(worker)
