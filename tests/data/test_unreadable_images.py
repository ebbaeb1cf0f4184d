import concurrent.futures
import threading

from ones_keras.data.unreadable_images import UnreadableImages


def test_an_image_met_by_two_batches_at_once_is_named_once(caplog):
    met = threading.Barrier(2, timeout=60)

    def read(source):
        met.wait()
        return source

    unreadable = UnreadableImages(1, read)
    with (
        caplog.at_level("WARNING", logger="absl"),
        concurrent.futures.ThreadPoolExecutor(2) as batches,
    ):
        found = [
            batches.submit(unreadable.is_readable, "a.png", b"")
            for _ in range(2)
        ]
        assert [bool(future.result()) for future in found] == [False, False]
    assert caplog.text.count("a.png") == 1
    assert list(unreadable.reasons) == ["a.png"]
