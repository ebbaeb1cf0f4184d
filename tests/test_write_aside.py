import os
import subprocess
import sys

from ones_keras.write_aside import remove_leftovers, write_aside

KILLED = """
import os, signal, sys
from ones_keras.write_aside import write_aside
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
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
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
