import pathlib
import re
import resource
import sys


def peak_memory():
    """Returns the peak memory of this process so far, in MiB."""
    # On Linux `ru_maxrss` starts at the peak of the process that launched it.
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        line = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        return int(line.group(1)) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
