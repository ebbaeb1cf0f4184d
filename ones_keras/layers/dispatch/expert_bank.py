from typing import Any, NamedTuple


class ExpertBank(NamedTuple):
    """The weights of `E` experts, stacked along a leading expert axis.

    Attributes:
        up_kernel: `(E, D, H)`.
        up_bias: `(E, H)`.
        down_kernel: `(E, H, D)`.
        down_bias: `(E, D)`.
    """

    up_kernel: Any
    up_bias: Any
    down_kernel: Any
    down_bias: Any
