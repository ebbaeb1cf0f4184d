import inspect
from collections.abc import Callable
from typing import NamedTuple

from absl import logging

METHODS = {}


class Method(NamedTuple):
    """A registered gathering method.

    Attributes:
        name: string.
        gather_layer: callable or `None`. From `ExpertWeights`, a `Calibration`
            if it takes one, and options to `DenseWeights`; `None` leaves the
            student's layer fresh.
        copy_matched: bool. Whether the layers that teacher and student share
            are copied.
        check: callable or `None`. Given the `ExpertWeights`, `intermediate_dim`
            and the options, it raises a `ValueError` on any that cannot work,
            before the calibration.
        least_tokens: callable or `None`. Given the `ExpertWeights` and the
            width of the layer to make, the calibration tokens it takes.
    """

    name: str
    gather_layer: Callable | None
    copy_matched: bool = True
    check: Callable | None = None
    least_tokens: Callable | None = None

    @property
    def _parameters(self):
        if self.gather_layer is None:
            return {}
        return inspect.signature(self.gather_layer).parameters

    @property
    def options(self):
        """Names of the options the method takes, with their defaults."""
        return {
            name: parameter.default
            for name, parameter in self._parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
            and name not in ("intermediate_dim", "progress")
        }

    @property
    def needs_calibration(self):
        """Whether the method is made from data, not from weights alone."""
        return "calibration" in self._parameters

    @property
    def sets_width(self):
        """Whether the student's layer can have another width than an expert."""
        return self.gather_layer is None or (
            "intermediate_dim" in self._parameters
        )

    def check_options(self, options):
        """Raise a `ValueError` if one of the options is none of its own."""
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            raise ValueError(
                f"Method {self.name!r} has no option {unknown}. It takes: "
                f"{sorted(self.options)}. Received: `{options}`."
            )

    def check_layer(self, experts, intermediate_dim, options):
        """Raise a `ValueError` if an option cannot work for a layer."""
        if self.check is not None:
            self.check(experts, intermediate_dim, **{**self.options, **options})

    def tokens_needed(self, experts, intermediate_dim):
        """How many calibration tokens of a layer there must be at least."""
        if self.least_tokens is None:
            return 0
        return self.least_tokens(
            experts, intermediate_dim or experts.intermediate_dim
        )

    def __call__(
        self, experts, calibration, intermediate_dim, options, progress=None
    ):
        """`DenseWeights` of one layer, with what the function takes of these.

        Args:
            experts: `ExpertWeights`.
            calibration: `Calibration` or `None`.
            intermediate_dim: int or `None`, the width of an expert.
            options: dict.
            progress: callable or `None`. Told the share that is done, in
                [0, 1], by a method that takes long.
        """
        given = [experts]
        if self.needs_calibration:
            given.append(calibration)
        if intermediate_dim is not None:
            options = {**options, "intermediate_dim": intermediate_dim}
        if "progress" in self._parameters:
            options = {**options, "progress": progress}
        return self.gather_layer(*given, **options)


def register_method(name, check=None, least_tokens=None):
    """Make a function a gathering method, `gather(teacher, method=name)`.

    The function takes the `ExpertWeights` of one layer, and its options as
    keyword-only arguments, and returns `DenseWeights`. One that has a second
    argument called `calibration` is given a `Calibration` there, and then needs
    `gather(..., calibration_data=...)`. One with an option `intermediate_dim`,
    `None` for the width of an expert, can make students of any width, and one
    with an option `progress` is given a callable or `None` there, for the share
    of the layer that is done, in [0, 1]. What it returns has no gate: the
    student's layers are plain ones.

    Args:
        name: string.
        check: callable or `None`. `check(experts, intermediate_dim, **options)`
            is called with all options before the calibration, which may be
            long, and raises a `ValueError` on any that cannot work. Defaults
            to `None`.
        least_tokens: callable or `None`. `least_tokens(experts, width)` is how
            many calibration tokens of a layer the method cannot do without;
            a smaller `calibration_tokens` is refused before the calibration.
            Defaults to `None`.

    Returns:
        A decorator that registers a function and returns it.

    Example:

    ```python
    from ones_keras.gathering import register_method

    @register_method("first_expert")
    def first_expert(experts):
        return experts.expert(0)

    @register_method("favourite_expert")
    def favourite_expert(experts, calibration):
        return experts.expert(calibration.load.argmax())
    ```
    """

    def register(function):
        if name in METHODS:
            logging.warning("The gathering method %r is replaced.", name)
        METHODS[name] = Method(
            name, function, check=check, least_tokens=least_tokens
        )
        return function

    return register


def get_method(name, argument="method"):
    """The registered `Method` of that name, or an error that lists them."""
    if not isinstance(name, str) or name not in METHODS:
        raise ValueError(
            f"`{argument}` must be one of {sorted(METHODS)}. Received: "
            f"`{argument}={name!r}`."
        )
    return METHODS[name]


# The two baselines gather nothing. "switch" keeps what fits as it is, and
# "random" is a student from scratch (the paper's "Switch" and "Distill").
METHODS["switch"] = Method("switch", None)
METHODS["random"] = Method("random", None, copy_matched=False)
