"""A labelled task that needs no download: whose docstring is this?"""

import numpy as np

from ones_keras.data.text.docstrings import PACKAGES, split_docstrings
from ones_keras.data.text.glue import LabelledTexts


def load_package_task(packages=PACKAGES):
    """Docstrings, and which package each comes from.

    The splits are by module, and of all its packages the same as those of the
    corpus `"builtin"`, so that a model that was trained on that corpus has not
    seen the test split's docstrings. Of some of its packages only, a docstring
    may have a paragraph that the corpus has in another one's training split.

    Args:
        packages: tuple of strings. Installed packages. Defaults to those of
            the corpus `"builtin"`.

    Returns:
        `LabelledTexts` for training, validation and test, and the tuple of
        the packages' names, in the order of their labels.

    Example:

    ```python
    train, validation, test, names = ones_keras.data.load_package_task(
        ("keras_hub", "matplotlib")
    )
    ```
    """
    splits = (
        LabelledTexts(
            [docstring.text for docstring in split],
            None,
            np.array(
                [packages.index(docstring.package) for docstring in split],
                "int32",
            ),
        )
        for split in split_docstrings(packages)
    )
    return (*splits, packages)
