import inspect
from collections.abc import Callable
from typing import NamedTuple

from absl import logging

METHODS = {}


class Method(NamedTuple):
    """A registered gathering method.

    Attributes:
        name: string.
        gather_layer: callable or `None`. From `ExpertWeights` and options to
            `DenseWeights`; `None` leaves the student's layer fresh.
        copy_matched: bool. Whether the layers that teacher and student share
            are copied.
    """

    name: str
    gather_layer: Callable | None
    copy_matched: bool = True

    @property
    def options(self):
        """Names of the options the method takes, with their defaults."""
        if self.gather_layer is None:
            return {}
        parameters = inspect.signature(self.gather_layer).parameters.values()
        return {
            parameter.name: parameter.default
            for parameter in parameters
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }

    def check_options(self, options):
        """Raise a `ValueError` if one of the options is none of its own."""
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            raise ValueError(
                f"Method {self.name!r} has no option {unknown}. It takes: "
                f"{sorted(self.options)}. Received: `{options}`."
            )


def register_method(name):
    """Make a function a gathering method, `gather(teacher, method=name)`.

    The function takes the `ExpertWeights` of one layer, and its options as
    keyword-only arguments, and returns `DenseWeights`.

    Args:
        name: string.

    Returns:
        A decorator that registers a function and returns it.

    Example:

    ```python
    from ones_keras.gathering import DenseWeights, register_method

    @register_method("first_expert")
    def first_expert(experts):
        return DenseWeights(*(weight[0] for weight in experts[:4]), details={})
    ```
    """

    def register(function):
        if name in METHODS:
            logging.warning("The gathering method %r is replaced.", name)
        METHODS[name] = Method(name, function)
        return function

    return register


def get_method(name):
    """The registered `Method` of that name, or an error that lists them."""
    if not isinstance(name, str) or name not in METHODS:
        raise ValueError(
            f"`method` must be one of {sorted(METHODS)}. Received: "
            f"`method={name!r}`."
        )
    return METHODS[name]


# The two baselines gather nothing. "switch" keeps what fits as it is, and
# "random" is a student from scratch (the paper's "Switch" and "Distill").
METHODS["switch"] = Method("switch", None)
METHODS["random"] = Method("random", None, copy_matched=False)
