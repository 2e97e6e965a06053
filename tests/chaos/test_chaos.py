"""A small part of the campaign of faults; `make chaos` runs it at length."""

import re
import subprocess
import sys
from pathlib import Path


def test_killed_interrupted_and_on_a_full_disk_a_run_ends_with_the_same_bits_and_a_closed_record(tmp_path: Path):
    command = [sys.executable, str(Path(__file__).parent / "chaos.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\| \*\*all\*\* \| 9 \| 9 \| 0 \| 0 \| 0 \|", done.stdout), done.stdout
