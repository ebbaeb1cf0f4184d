"""Where a document begins in a file of lines."""

import itertools
import re

_UNKNOWN = re.compile(r"^<unk> ?| <unk>")
_TITLE = re.compile(r"^\s*=\s[^=].*\s=\s*$")


def paragraphs_between_blank_lines(lines):
    """Documents of plain text: what stands between blank lines.

    Args:
        lines: iterable of strings.

    Yields:
        Strings of one line or more.
    """
    document = []
    for line in lines:
        if line.strip():
            document.append(line.strip())
        elif document:
            yield "\n".join(document)
            document = []
    if document:
        yield "\n".join(document)


def wikitext_articles(lines):
    """Articles of WikiText, from one title to the next.

    A title stands between blank lines, which tells it from formulae. Joins
    again what WikiText has split: ` @-@ `, ` @,@ ` and ` @.@ `. Its `<unk>`, a
    twentieth of the words, is left out: there is nothing in it to be learned.

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
            article.append(_UNKNOWN.sub("", text))
        before, line = line, after
    if article:
        yield "\n".join(article)
