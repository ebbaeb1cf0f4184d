"""Does a recipe that is killed again and again end as if it never was?

Runs a recipe to its end, and once more in another folder, where it is killed
(SIGKILL) at random moments and started anew with the same command line. Then
compares every model and result of the two, bit for bit.

    python tools/kill_and_resume.py --kills=12 --json=resume.json -- \
        recipes/imagenet_ones.py --deterministic --backup_minutes=0

The recipe's own flags follow `--`; what is measured in seconds is not compared.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from absl import app, flags

from ones_keras.write_aside import write_aside

_KILLS = flags.DEFINE_integer("kills", 12, "How often.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of the moments.", lower_bound=0)
_JSON = flags.DEFINE_string("json", None, "File to write the record to.")
# Of the same work two runs take different times.
_SECONDS = (
    "latency_ms",
    "speedup",
    "environment",
    "gathering_seconds",
    "seconds",
)


def main(argv):
    command = argv[1:]
    if not command:
        raise app.UsageError("The recipe and its flags follow `--`.")
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = (
            pathlib.Path(folder, "whole"),
            pathlib.Path(folder, "killed"),
        )
        start = time.time()
        run(command, whole)
        seconds = time.time() - start
        # Of which before there was anything to lose.
        startup = (whole / "launch.json").stat().st_mtime - start
        rng = np.random.default_rng(_SEED.value)
        moments = []
        for _ in range(_KILLS.value):
            share = 2 * rng.uniform() / (_KILLS.value + 1)
            after = startup + share * (seconds - startup)
            if not run(command, killed, after):
                break
            moments.append({"after_seconds": after, "found": left(killed)})
            print(f"killed after {after:.1f} s: {moments[-1]['found']}")
        run(command, killed)
        different = differences(whole, killed)
    record = {
        "command": command,
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds_of_a_run": seconds,
        "kills": moments,
        "different": different,
    }
    if _JSON.value:
        with write_aside(_JSON.value) as aside:
            aside.write_text(json.dumps(record, indent=1) + "\n")
    if different:
        sys.exit(f"After {len(moments)} kills these differ: {different}")
    print(f"After {len(moments)} kills all is the same, bit for bit.")


def run(command, folder, killed_after=None):
    """Start the recipe. Returns whether it was killed."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, *command, f"--output_dir={folder}"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            status = process.wait(killed_after)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return True
        if status:
            output.seek(0)
            sys.exit(output.read().decode(errors="replace"))
    return False


def left(folder):
    """What a kill has left, in words."""
    models = sorted(path.stem for path in folder.glob("seed_*/*.keras"))
    backups = sorted(
        f"{path.parent.name} {path.stem}"
        for path in folder.glob("seed_*/**/step_*.npz")
        if not path.parent.name.startswith(".")
    )
    return {"models": models, "backups": backups}


def differences(one, other):
    """Files of two folders that are not the same, by name."""
    names = {
        str(path.relative_to(folder))
        for folder in (one, other)
        for path in folder.rglob("*")
        # Half a file that a kill has left is hidden, and in nobody's way.
        if path.is_file() and "/." not in str(path.relative_to(folder.parent))
    }
    return sorted(name for name in names if not same(one / name, other / name))


def same(one, other):
    if not one.exists() or not other.exists():
        return False
    if one.suffix == ".keras":
        models = [keras.models.load_model(path) for path in (one, other)]
        weights = [model.get_weights() for model in models]
        return all(map(np.array_equal, *weights))
    if one.suffix == ".json" and one.name != "launch.json":
        return results(one) == results(other)
    return True  # Pictures and tables of the same.


def results(path):
    return without_seconds(json.loads(path.read_text()))


def without_seconds(content):
    if isinstance(content, dict):
        return {
            name: without_seconds(value)
            for name, value in content.items()
            if name not in _SECONDS
        }
    if isinstance(content, list):
        return [without_seconds(value) for value in content]
    return content


if __name__ == "__main__":
    app.run(main)
