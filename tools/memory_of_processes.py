import json
import statistics
import subprocess
import sys


def memory_of_processes(arguments, runs=3):
    """Medians of what several processes print about their own memory.

    Args:
        arguments: list of strings. Command line after the interpreter; its
            last line of output is a JSON object of numbers.
        runs: int. How many processes. Defaults to `3`.

    Returns:
        dict of the medians.
    """
    found = []
    for _ in range(runs):
        output = subprocess.run(
            [sys.executable, *arguments],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        found.append(json.loads(output.splitlines()[-1]))
    return {
        key: statistics.median(one[key] for one in found) for key in found[0]
    }
