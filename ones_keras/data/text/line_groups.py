"""Where a document begins in a file of lines."""

import itertools
import re
import textwrap

_STRETCH = 2000
_TITLE = re.compile(r"^\s*=\s[^=].*\s=\s*$")


def stretches_of_paragraphs(lines):
    """Documents of plain text: paragraphs in a row, 2000 characters or more.

    A paragraph is what stands between blank lines, however its lines are
    broken, and ends after 2000 characters if there are none; a stretch of
    several has room for long sequences, and is short enough that a few hundred
    kilobytes have some to hold out. A line of ten times that is no paragraph,
    but text without line breaks, and cut.

    Args:
        lines: iterable of strings.

    Yields:
        Strings of one paragraph a line.
    """
    document, paragraph, length = [], [], 0
    for line in itertools.chain(_without_giants(lines), [""]):
        line = line.strip()
        if line:
            paragraph.append(line)
        if paragraph and (not line or sum(map(len, paragraph)) >= _STRETCH):
            document.append(" ".join(paragraph))
            length += len(document[-1])
            paragraph = []
        if length >= _STRETCH:
            yield "\n".join(document)
            document, length = [], 0
    if document:
        yield "\n".join(document)


def _without_giants(lines):
    for line in lines:
        if len(line) < 10 * _STRETCH:
            yield line
        else:
            yield from textwrap.wrap(line, _STRETCH, break_on_hyphens=False)


def wikitext_articles(lines):
    """Articles of WikiText, from one title to the next.

    A title stands between blank lines, which tells it from formulae. Joins
    again what WikiText has split: ` @-@ `, ` @,@ ` and ` @.@ `. Words with
    its `<unk>` in them, a twentieth, are left out: there is nothing to learn.

    Args:
        lines: iterable of strings.

    Yields:
        Strings of one line or more, the title first.
    """
    article, before, line = [], "", ""
    for after in itertools.chain(lines, [""]):
        alone = not before.strip() and not after.strip()
        if article and alone and _TITLE.match(line):
            yield "\n".join(article)
            article = []
        if line.strip():
            text = re.sub(r" @([-,.])@ ", r"\1", line.strip())
            words = [word for word in text.split() if "<unk>" not in word]
            article.append(" ".join(words))
        before, line = line, after
    if article:
        yield "\n".join(article)
