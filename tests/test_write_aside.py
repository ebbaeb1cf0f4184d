import os
import pathlib
import subprocess
import sys

import ones_keras
from ones_keras.write_aside import remove_leftovers, write_aside

PACKAGE = pathlib.Path(ones_keras.__file__).parent
KILLED = """
import os, signal, sys
from write_aside import write_aside
with write_aside(sys.argv[1]) as aside:
    aside.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_kill_has_left_is_removed(tmp_path):
    folder = tmp_path / "seed_0"
    folder.mkdir()
    (folder / ".hidden@home").mkdir()  # Somebody else's.
    path = folder / "svd.keras"
    subprocess.run(
        [sys.executable, "-c", KILLED, str(path)],
        # By itself: the package imports much.
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        check=False,
    )
    (left,) = folder.glob(".svd.keras.*")
    with write_aside(folder / "sum.keras") as aside:
        remove_leftovers(tmp_path)
        assert not left.exists()
        # This process still writes.
        aside.write_text("whole")
    assert (folder / "sum.keras").read_text() == "whole"
    assert sorted(path.name for path in folder.iterdir()) == [
        ".hidden@home",
        "sum.keras",
    ]
