"""A split whose documents fit into memory."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class DocumentList:
    """Documents held as strings, one split of a `TextCorpus`.

    Args:
        texts: tuple of strings.

    Example:

    ```python
    split = DocumentList(("One document.", "Another one."))
    ```
    """

    texts: tuple[str, ...]

    def documents(self, rng=None):
        """Yields the documents once, in an order of `rng` if given."""
        order = range(len(self.texts))
        if rng is not None:
            order = rng.permutation(len(self.texts))
        for index in order:
            yield self.texts[index]
