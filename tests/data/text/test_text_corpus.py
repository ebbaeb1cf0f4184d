"""From documents to batches, and back to the documents."""

import itertools
import re

import keras
import numpy as np
import pytest

from ones_keras.data import DocumentList, TextCorpus, load_text_corpus
from ones_keras.data.text import text_corpus
from ones_keras.data.text.mask_spans import num_masked
from tests.data.text.conftest import WORDS

LENGTH = 19  # 16 tokens of text


def corpus_of(*documents):
    split = DocumentList(tuple(documents))
    return TextCorpus("test", split, split, split)


@pytest.fixture
def documents(rng):
    def sentence():
        return " ".join(rng.choice(WORDS, rng.integers(2, 7)))

    return [
        "\n".join(
            f"{sentence()}. {sentence()}! {sentence()}"
            for _ in range(rng.integers(1, 6))
        )
        for _ in range(40)
    ]


def originals(batches, tokenizer):
    """The texts that a dataset's sequences were made of, as tuples of ids."""
    texts = []
    for x, y, weights in batches:
        ids = np.array(x["token_ids"])
        positions = np.asarray(x["mask_positions"])
        used = np.asarray(weights["masked_lm"]) > 0
        rows = np.nonzero(used)[0]
        ids[rows, positions[used]] = np.asarray(y["masked_lm"])[used]
        for row, swapped in zip(ids, y["sentence_order"], strict=True):
            row = row[row != tokenizer.pad_id]
            assert row[0] == tokenizer.cls_id
            assert row[-1] == tokenizer.sep_id
            cut = np.flatnonzero(row == tokenizer.sep_id)[0]
            first, second = row[1:cut], row[cut + 1 : -1]
            if swapped:
                first, second = second, first
            texts.append((*first.tolist(), *second.tolist()))
    return texts


def expected_texts(documents, tokenizer):
    """A loop: whole sentences while there is room, short ends left out."""
    texts = []
    for document in documents:
        ids, ends = [], []
        for sentence in re.split(r"\n|(?<=[.!?])\s+", document):
            ids += tokenizer([sentence])[0].numpy().tolist()
            ends.append(len(ids))
        place = 0
        while place < len(ids):
            fitting = [end for end in ends if place < end <= place + 16]
            end = max(fitting, default=place + 16)
            texts.append(tuple(ids[place:end]))
            place = end
    return [text for text in texts if len(text) >= 8]


def test_evaluation_is_every_text_once_in_order(documents, tokenizer):
    batches = corpus_of(*documents).validation(tokenizer, 8, LENGTH)
    found = originals(batches, tokenizer)
    assert found == expected_texts(documents, tokenizer)
    assert len(found) > 40


def test_training_is_every_text_an_epoch(documents, tokenizer):
    expected = sorted(expected_texts(documents, tokenizer))
    corpus = corpus_of(*documents)
    steps = 3 * len(expected) // 8
    found = originals(
        corpus.train(tokenizer, 8, LENGTH, steps=steps), tokenizer
    )
    count = len(expected)
    first, second = found[:count], found[count : 2 * count]
    assert sorted(first) == sorted(second) == expected
    assert first != second
    assert first != expected_texts(documents, tokenizer)


def test_segments_with_an_order_are_whole_sentences(tokenizer, rng):
    """Torn ends would tell which segment was the first."""
    sentences = [
        " ".join(rng.choice(WORDS, rng.integers(1, 12))) + "."
        for _ in range(300)
    ]
    batches = corpus_of(" ".join(sentences)).validation(tokenizer, 8, LENGTH)
    (stop,) = tokenizer(["."])[0].numpy()
    known = {tuple(ids) for ids in tokenizer(sentences).to_list()}
    used, swapped = [], []
    for x, y, weights in batches:
        ids = np.array(x["token_ids"])
        places = np.asarray(weights["masked_lm"]) > 0
        rows = np.nonzero(places)[0]
        positions = np.asarray(x["mask_positions"])[places]
        ids[rows, positions] = np.asarray(y["masked_lm"])[places]
        for row, weight in zip(ids, weights["sentence_order"], strict=True):
            row = row[row != tokenizer.pad_id]
            used.append(float(weight))
            if weight == 0:
                continue
            for segment in " ".join(map(str, row[1:-1])).split(
                f" {tokenizer.sep_id} "
            ):
                tokens = [int(token) for token in segment.split()]
                ends = [i + 1 for i, t in enumerate(tokens) if t == stop]
                assert ends[-1] == len(tokens)
                for begin, end in zip([0, *ends], ends, strict=False):
                    assert tuple(tokens[begin:end]) in known
        swapped += y["sentence_order"].numpy().tolist()
    # Some hold a single sentence, or a part of one.
    assert 0.2 < np.mean(used) < 0.9
    assert 0.3 < np.mean(swapped) < 0.7


def test_what_the_vocabulary_does_not_know_is_not_guessed(tokenizer):
    batches = corpus_of(" ".join(["cat", "zzzz"] * 200)).validation(
        tokenizer, 8, LENGTH
    )
    labels = [
        np.asarray(y["masked_lm"])[np.asarray(weights["masked_lm"]) > 0]
        for _, y, weights in batches
    ]
    (cat,), (unknown,) = tokenizer(["cat", "zzzz"]).to_list()
    assert {*np.concatenate(labels).tolist()} == {cat}
    assert not tokenizer.is_text[unknown]


def test_batches_are_a_function_of_seed_and_step(documents, tokenizer):
    corpus = corpus_of(*documents)

    def first(seed, start_step, steps):
        batches = corpus.train(tokenizer, 4, LENGTH, seed, start_step, steps)
        return [keras.tree.map_structure(np.asarray, b) for b in batches]

    whole = first(5, 0, 4)
    # And of no other seed.
    keras.utils.set_random_seed(77)
    later = first(5, 2, 2)
    keras.tree.map_structure(np.testing.assert_array_equal, later, whole[2:])
    other = first(6, 0, 1)[0][0]["token_ids"]
    assert not np.array_equal(other, whole[0][0]["token_ids"])
    # A dataset that is gone through again gives the same.
    again = corpus.train(tokenizer, 4, LENGTH, 5, 0, 4)
    for _ in range(2):
        keras.tree.map_structure(
            np.testing.assert_array_equal, list(again), whole
        )


@pytest.mark.parametrize("shuffled", [7, 16384])
def test_any_step_can_be_started_at(
    shuffled, documents, tokenizer, monkeypatch
):
    monkeypatch.setattr(text_corpus, "SHUFFLED_TEXTS", shuffled)
    corpus = corpus_of(*documents)

    def first(start_step, steps):
        batches = corpus.train(tokenizer, 4, LENGTH, 5, start_step, steps)
        return [keras.tree.map_structure(np.asarray, b) for b in batches]

    # Over several epochs, of texts that are no multiple of a batch.
    whole = first(0, 40)
    for start in (1, 8, 21, 39):
        keras.tree.map_structure(
            np.testing.assert_array_equal, first(start, 1), [whole[start]]
        )


def test_shapes_and_dtypes(documents, tokenizer):
    corpus = corpus_of(*documents)
    batches = corpus.train(tokenizer, 4, LENGTH, steps=1)
    places = num_masked(LENGTH)
    x, y, weights = next(iter(batches))
    for name in ("token_ids", "segment_ids", "padding_mask"):
        assert x[name].shape == (4, LENGTH)
        assert x[name].dtype == "int32"
    assert x["mask_positions"].shape == (4, places)
    assert y["masked_lm"].shape == weights["masked_lm"].shape == (4, places)
    assert y["sentence_order"].shape == weights["sentence_order"].shape == (4,)
    # What a model is compiled for.
    assert batches.element_spec[0]["token_ids"].shape == (4, LENGTH)
    assert batches.element_spec[0]["mask_positions"].shape == (4, places)


def test_masks_differ_by_epoch_and_not_in_evaluation(tokenizer):
    corpus = corpus_of(" ".join(WORDS))
    masks = {
        tuple(np.asarray(x["mask_positions"])[0])
        for x, _, _ in corpus.train(tokenizer, 1, LENGTH, steps=20)
    }
    assert len(masks) > 10
    first, second = (
        [np.asarray(x["token_ids"]) for x, _, _ in batches]
        for batches in (
            corpus.test(tokenizer, 1, LENGTH),
            corpus.test(tokenizer, 1, LENGTH),
        )
    )
    np.testing.assert_array_equal(first, second)


def test_fits_a_masked_lm(documents, tokenizer):
    from ones_keras.models import AlbertMaskedLM

    model = AlbertMaskedLM.from_preset(
        "widenet_albert_tiny",
        vocabulary_size=tokenizer.vocabulary_size,
        num_layers=1,
    )
    model.compile(keras.optimizers.Adam(3e-3))
    corpus = corpus_of(*documents)
    before = model.evaluate(
        corpus.validation(tokenizer, 16, LENGTH), return_dict=True, verbose=0
    )
    batches = corpus.train(tokenizer, 16, LENGTH, steps=40)
    model.fit(batches, shuffle=False, verbose=0)
    after = model.evaluate(
        corpus.validation(tokenizer, 16, LENGTH), return_dict=True, verbose=0
    )
    assert after["masked_lm_loss"] < 0.9 * before["masked_lm_loss"]


def test_bad_arguments(documents, tokenizer):
    corpus = corpus_of(*documents)
    with pytest.raises(ValueError, match="`sequence_length=10`"):
        corpus.train(tokenizer, 4, 10)
    with pytest.raises(ValueError, match="`batch_size=0`"):
        corpus.validation(tokenizer, 0, LENGTH)
    with pytest.raises(ValueError, match="`seed=-1`"):
        corpus.train(tokenizer, 4, LENGTH, seed=-1)
    with pytest.raises(ValueError, match="`start_step=-1`"):
        corpus.train(tokenizer, 4, LENGTH, start_step=-1)
    with pytest.raises(ValueError, match="no document of 8 tokens"):
        corpus_of("the cat", "").train(tokenizer, 4, LENGTH)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def all_documents(corpus):
    splits = corpus.train_split, corpus.validation_split, corpus.test_split
    return [document for split in splits for document in split.documents()]


def test_text_files_are_split_by_documents(tmp_path):
    paragraphs = [f"Paragraph {i}\n goes on." for i in range(12000)]
    write(tmp_path / "a.txt", "\n\n\n".join(paragraphs[:9000]) + "\n")
    write(tmp_path / "b.txt", "\n\n" + "\n\n".join(paragraphs[9000:]))
    documents = []
    for part in (paragraphs[:9000], paragraphs[9000:]):
        lines = [paragraph.replace("\n", "") for paragraph in part]
        while lines:
            lengths = np.cumsum([len(line) for line in lines])
            count = int(np.sum(lengths < 2000)) + 1
            documents.append("\n".join(lines[:count]))
            lines = lines[count:]
    write(tmp_path / "c.md", "Not asked for.")
    corpus = load_text_corpus("text", tmp_path)
    splits = [
        list(split.documents())
        for split in (
            corpus.train_split,
            corpus.validation_split,
            corpus.test_split,
        )
    ]
    assert sorted(itertools.chain(*splits)) == sorted(documents)
    assert [len(split) > 1 for split in splits] == [True] * 3
    assert len(splits[0]) > 0.8 * len(documents)
    # The order of files, and of documents of different files.
    shuffled = list(corpus.train_split.documents(np.random.default_rng(0)))
    assert sorted(shuffled) == sorted(splits[0])
    assert shuffled != splits[0]
    # One file, and a glob.
    one = load_text_corpus("text", tmp_path / "a.txt")
    assert set(one.train_split.documents()) < set(splits[0])
    globbed = load_text_corpus("text", tmp_path / "[ab].txt")
    assert list(globbed.train_split.documents()) == splits[0]


def test_text_without_blank_lines_in_folders_of_folders(tmp_path):
    lines = [f"Line {i} of a text without any blank one." for i in range(9000)]
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    write(tmp_path / "deep" / "a.txt", "\n".join(lines[:5000]))
    write(tmp_path / "deep" / "deeper" / "b.txt", "\n".join(lines[5000:]))
    corpus = load_text_corpus("text", tmp_path / "**" / "*.txt")
    documents = all_documents(corpus)
    assert max(map(len, documents)) < 2200
    words = " ".join(documents).split()
    assert sorted(words) == sorted(" ".join(lines).split())


@pytest.mark.parametrize("between", [" ", ""])
def test_text_without_line_breaks(between, tmp_path, monkeypatch):
    module = "ones_keras.data.text.document_files.LONGEST_LINE"
    monkeypatch.setattr(module, 30001)
    text = between.join(f"Straße{i}" for i in range(20000))
    (tmp_path / "a folder.txt").mkdir()
    write(tmp_path / "a.txt", text)
    corpus = load_text_corpus("text", tmp_path)
    documents = all_documents(corpus)
    lengths = sorted(map(len, documents))
    # Two pieces, but for what is left in the end.
    assert lengths[-2] <= 4001
    assert lengths[-1] < 20000
    found = sorted("".join(documents).replace(" ", "").replace("\n", ""))
    assert found == sorted(text.replace(" ", ""))
    if between:
        words = " ".join(documents).split()
        assert sorted(words) == sorted(text.split())


def test_wikitext_articles(tmp_path):
    text = (
        " \n = First = \n \n <unk> <unk> Some text @-@ with 1 @,@ 000 "
        "<unk> @-@ like <unk> marks ."
        " \n"
        " = Played , W = \n"
        " = = Section = = \n More . \n \n = Second = \n \n Other . \n"
    )
    for name in ("train", "valid", "test"):
        write(tmp_path / f"wiki.{name}.tokens", text)
    corpus = load_text_corpus("wikitext", tmp_path)
    assert list(corpus.test_split.documents()) == [
        "= First =\nSome text-with 1,000 marks .\n= Played , W =\n"
        "= = Section = =\nMore .",
        "= Second =\nOther .",
    ]


def test_real_wikitext(shared_data, tmp_path, tokenizer):
    import gzip

    for name in ("train", "valid", "test"):
        packed = shared_data / "wikitext2" / f"wiki.{name}.tokens.gz"
        # The validation split is enough of it.
        if name == "train":
            packed = shared_data / "wikitext2" / "wiki.valid.tokens.gz"
        content = gzip.decompress(packed.read_bytes())
        (tmp_path / f"wiki.{name}.tokens").write_bytes(content)
    corpus = load_text_corpus("wikitext", tmp_path)
    # As its authors count them.
    assert len(list(corpus.validation_split.documents())) == 60
    articles = list(corpus.test_split.documents())
    assert len(articles) == 60
    assert not any("<unk>" in article for article in articles)


def test_unreadable_corpora_are_named(tmp_path):
    with pytest.raises(ValueError, match="`name='books'`"):
        load_text_corpus("books")
    with pytest.raises(ValueError, match="takes no `data_dir`"):
        load_text_corpus("builtin", tmp_path)
    for name in ("text", "wikitext"):
        with pytest.raises(ValueError, match="needs `data_dir`"):
            load_text_corpus(name)
    with pytest.raises(ValueError, match="has no files"):
        load_text_corpus("text", tmp_path)
    with pytest.raises(ValueError, match=r"wiki\.train\.tokens"):
        load_text_corpus("wikitext", tmp_path)
    write(tmp_path / "empty.txt", "\n\n")
    with pytest.raises(ValueError, match=r"no document .*empty\.txt"):
        load_text_corpus("text", tmp_path)
    (tmp_path / "latin.txt").write_bytes(b"fine\nna\xefve\n")
    with pytest.raises(ValueError, match=r"latin\.txt, line 2"):
        load_text_corpus("text", tmp_path / "latin.txt")


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_does_not_tune_itself(documents, tokenizer, split):
    dataset = getattr(corpus_of(*documents), split)(tokenizer, 4, LENGTH)
    assert dataset.options().autotune.enabled is False
