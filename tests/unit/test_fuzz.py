"""A small part of the campaign that `make fuzz` is: every reader, every way of changing its files."""

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parents[1] / "fuzz.py"


def test_changed_files_are_read_or_refused_in_a_line():
    # A process of its own: forks do not go well with the threads of the other tests.
    done = subprocess.run([sys.executable, FUZZ, "--inputs", "200"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 17
    total = [int(cell.replace(",", "")) for cell in rows[-1].split("|")[2:-2]]
    assert total[0] >= 150 and total[0] == total[1] + total[2] and total[2] > 0
