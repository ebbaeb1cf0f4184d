import gc
import signal
import sys
import time

import pytest


def test_a_signal_within_the_garbage_collector_still_stops(recipes_on_path):
    from launch import exit_when_stopped

    survived = []

    def collected(phase, info):
        gc.callbacks.remove(collected)
        signal.raise_signal(signal.SIGTERM)

    def run():
        with exit_when_stopped():
            gc.callbacks.append(collected)
            gc.collect()  # Swallows what the handler raises in the callback.
            survived.append(True)
            time.sleep(60)

    hook = sys.unraisablehook
    with pytest.raises(SystemExit, match="Stopped by SIGTERM"):
        run()
    assert survived
    assert sys.unraisablehook is hook
