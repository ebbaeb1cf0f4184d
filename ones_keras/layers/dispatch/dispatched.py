from typing import Any, NamedTuple


class Dispatched(NamedTuple):
    """What the experts made of `T` tokens.

    Attributes:
        outputs: `(T, D)`. Summed by the gates.
        load: `(E,)` int32. Pairs sent to each of all experts, dropped ones
            included.
        pairs: `(K, T, D)` or `None`, where it is not needed. The output of each
            choice, anything finite where it is not computed.
        computed: `(K, T)` bool or `None`. Which choices are.
    """

    outputs: Any
    load: Any
    pairs: Any = None
    computed: Any = None
