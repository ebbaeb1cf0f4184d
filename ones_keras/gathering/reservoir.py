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
        self._keys = np.zeros(0)
        self._arrays = None

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
        if len(self._keys) == self.size:
            # Most of a long stream comes too late to stay.
            early = keys < self._keys.max()
            keys = keys[early]
            arrays = tuple(array[early] for array in arrays)
        if self._arrays is not None:
            keys = np.concatenate([self._keys, keys])
            arrays = tuple(
                np.concatenate([kept, new])
                for kept, new in zip(self._arrays, arrays, strict=True)
            )
        if len(keys) > self.size:
            stay = np.argpartition(keys, self.size - 1)[: self.size]
            keys = keys[stay]
            arrays = tuple(array[stay] for array in arrays)
        self._keys, self._arrays = keys, arrays

    def rows(self):
        """The sample in random order, a tuple of arrays; empty if none came."""
        order = np.argsort(self._keys)
        return tuple(array[order] for array in self._arrays or ())
