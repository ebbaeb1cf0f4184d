"""The Wikipedia loader, on a small dataset prepared as TFDS prepares it."""

import itertools
import pathlib

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

from ones_keras.data import load_text_corpus
from ones_keras.data.text import wikipedia


class FewArticles(tfds.core.GeneratorBasedBuilder):
    """What `wikipedia` offers, of a few articles."""

    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = pathlib.Path(__file__).parent

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "title": tfds.features.Text(),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for i in range(300):
            yield i, {"title": f"Title {i}", "text": f"Article {i} naïvely."}


def test_articles_are_split_by_title(tmp_path, monkeypatch):
    monkeypatch.setattr(wikipedia, "BUILDER", "few_articles")
    monkeypatch.setattr(
        wikipedia, "_SHARES", ((0.3, 1.0), (0.1, 0.3), (0.0, 0.1))
    )
    corpus = load_text_corpus("wikipedia", tmp_path)
    splits = [
        list(split.documents())
        for split in (
            corpus.train_split,
            corpus.validation_split,
            corpus.test_split,
        )
    ]
    assert sorted(itertools.chain(*splits)) == sorted(
        f"Article {i} naïvely." for i in range(300)
    )
    assert all(len(split) > 10 for split in splits)
    # A second look at what is held out reads nothing.
    monkeypatch.setattr(FewArticles, "as_dataset", None)
    assert list(corpus.test_split.documents()) == splits[2]
    monkeypatch.undo()
    shuffled = list(corpus.train_split.documents(np.random.default_rng(1)))
    assert sorted(shuffled) == sorted(splits[0])


def test_order_of_the_files_goes_by_the_generator_alone(tmp_path):
    builder = FewArticles(data_dir=tmp_path)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=8)
    )
    articles = wikipedia.WikipediaArticles(builder, (0.0, 1.0))

    def read(seed):
        return list(articles.documents(np.random.default_rng(seed)))

    first = read(1)
    assert sorted(first) == sorted(articles.documents())
    assert first != list(articles.documents())
    keras.utils.set_random_seed(77)
    assert read(1) == first
    assert read(2) != first


def test_the_builder_is_one_of_tfds():
    name, config = wikipedia.BUILDER.split("/")
    builder = tfds.builder_cls(name)
    assert config in builder.builder_configs


def test_a_failed_download_says_so(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(wikipedia, "BUILDER", "few_articles")
    monkeypatch.setattr(FewArticles, "download_and_prepare", offline)
    with pytest.raises(ValueError, match="no network"):
        load_text_corpus("wikipedia", tmp_path)
