import pathlib
import re
import resource
import sys


def peak_memory():
    """Returns the peak memory of this process so far, in MiB."""
    # On Linux `ru_maxrss` starts at the peak of the process that launched it.
    return _status("VmHWM") or _max_resident()


def resident_memory():
    """Returns the memory of this process now, in MiB.

    Where the system does not tell it, that is the peak so far.
    """
    return _status("VmRSS") or _max_resident()


def _status(field):
    status = pathlib.Path("/proc/self/status")
    if not status.exists():
        return None
    line = re.search(rf"{field}:\s+(\d+) kB", status.read_text())
    return int(line.group(1)) / 2**10


def _max_resident():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
