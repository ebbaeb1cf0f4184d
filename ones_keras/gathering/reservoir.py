import numpy as np


class Reservoir:
    """A uniform random sample of a stream of rows, in bounded memory.

    Every row draws a key, and the rows of the smallest keys stay. The sample
    depends on the order of the rows of each stream, but not on how they are cut
    into batches.

    Args:
        size: int. Most rows that are kept.
        seed: int.
    """

    def __init__(self, size, seed):
        self.size = size
        self.seed = seed
        self._generators = {}
        # The storage of all rows there can be; untouched, it takes no memory.
        self._keys = np.empty(size)
        self._arrays = None
        self._used = 0

    def add(self, arrays, stream=0):
        """Offer rows.

        Args:
            arrays: tuple of arrays of equal length, the same kinds each time.
            stream: int. Streams that arrive in turns, such as the depths of a
                shared layer, draw from generators of their own.
        """
        generator = self._generators.setdefault(
            stream, np.random.default_rng([self.seed, stream])
        )
        keys = generator.random(len(arrays[0]))
        if self._arrays is None:
            self._arrays = [
                np.empty((self.size, *array.shape[1:]), array.dtype)
                for array in arrays
            ]
        # Which of the rows there are and the new ones stay. The new ones take
        # the places of those that do not, so that nothing kept is copied.
        used = self._used
        every = np.concatenate([self._keys[:used], keys])
        stays = np.ones(len(every), bool)
        if len(every) > self.size:
            stays[np.argpartition(every, self.size)[self.size :]] = False
        self._used = int(stays.sum())
        places = np.concatenate(
            [np.flatnonzero(~stays[:used]), np.arange(used, self._used)]
        )
        new = stays[used:]
        self._keys[places] = keys[new]
        for kept, array in zip(self._arrays, arrays, strict=True):
            kept[places] = array[new]

    def rows(self):
        """The sample in random order, a list of arrays; empty if none came.

        The reservoir is empty then: its arrays go one by one as they are
        brought in order.
        """
        order = np.argsort(self._keys[: self._used])
        kept, self._arrays, self._used = self._arrays or [], None, 0
        return [kept.pop(0)[order] for _ in range(len(kept))]
