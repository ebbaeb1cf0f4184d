"""Wikipedia through TensorFlow Datasets."""

import dataclasses
import functools
import zlib

import tensorflow_datasets as tfds

from ones_keras.data.text.text_corpus import TextCorpus

BUILDER = "wikipedia/20230601.en"
# As shares of the largest checksum: some thousand articles are held out.
_SHARES = ((0.002, 1.0), (0.001, 0.002), (0.0, 0.001))


@dataclasses.dataclass(frozen=True, eq=False)
class WikipediaArticles:
    """Articles of a TFDS builder, one split of a `TextCorpus`.

    Args:
        builder: `tfds.core.DatasetBuilder` with the features of `wikipedia`.
        share: pair of floats `(low, high)`. The articles whose title's
            checksum, as a share of the largest, lies in `[low, high)`.
        keep: bool. Whether they stay in memory once all have been read: to
            find a few takes a pass over all. Defaults to `False`.
    """

    builder: tfds.core.DatasetBuilder
    share: tuple[float, float]
    keep: bool = False

    def documents(self, rng=None):
        """Yields the articles once, the order of their files by `rng`."""
        if self.keep:
            yield from self._kept
        else:
            yield from self._read(rng)

    @functools.cached_property
    def _kept(self):
        return tuple(self._read(None))

    def _read(self, rng):
        low, high = (bound * 2**32 for bound in self.share)
        files = range(self.builder.info.splits["train"].num_shards)
        # TFDS' own shuffling of files goes by TensorFlow's global seed too.
        for file in files if rng is None else rng.permutation(files):
            articles = self.builder.as_dataset(
                split=f"train[{file}shard]",
                read_config=tfds.ReadConfig(try_autocache=False),
            )
            for article in articles.as_numpy_iterator():
                if low <= zlib.crc32(article["title"]) < high:
                    yield article["text"].decode()


def load_wikipedia(data_dir=None):
    """The English Wikipedia, downloaded and prepared by TFDS if need be.

    Args:
        data_dir: string, path or `None`. Where TFDS keeps its datasets; `None`
            is its default. Defaults to `None`.

    Returns:
        A `TextCorpus`.

    Raises:
        ValueError: A dataset that is not there and cannot be fetched.
    """
    try:
        builder = tfds.builder(BUILDER, data_dir=data_dir)
        builder.download_and_prepare()
    except Exception as error:  # TFDS raises what its downloaders raise.
        raise ValueError(
            f"{BUILDER} could not be prepared ({error}). Received: "
            f"`data_dir={data_dir if data_dir is None else str(data_dir)!r}`."
        ) from error
    train, *held_out = _SHARES
    return TextCorpus(
        "wikipedia",
        WikipediaArticles(builder, train),
        *(WikipediaArticles(builder, share, keep=True) for share in held_out),
    )
