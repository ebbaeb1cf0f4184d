"""Which token goes to which expert, decided once and used by every path."""

from typing import Any, NamedTuple

from keras import ops


class Routing(NamedTuple):
    """The router's decision for one batch of `T` tokens, `E` experts, `K` each.

    A pair is one (token, choice). Pairs are numbered choice first,
    `pair = choice * T + token`, so that every token's first choice comes
    before anybody's second when an expert runs out of room.

    Attributes:
        gates: `(T, K)` float32. Weight of each choice, 0 where the pair is
            dropped or the token is padding.
        experts: `(T, K)` int32. Chosen expert, `E` where the token is padding.
        order: `(T * K,)` int32. Pairs sorted by expert, padding last; pairs of
            one expert keep their order.
        sorted_experts: `(T * K,)` int32. `experts` in that order.
        position: `(T * K,)` int32. Rank of each sorted pair within its expert.
        kept: `(T * K,)` bool. Sorted pairs that are computed.
        load: `(E,)` int32. Pairs sent to each expert, dropped ones included.
        kept_load: `(E,)` int32. Pairs each expert computes.
    """

    gates: Any
    experts: Any
    order: Any
    sorted_experts: Any
    position: Any
    kept: Any
    load: Any
    kept_load: Any


def route(probabilities, top_k, capacity, mask=None, renormalize=False):
    """Choose `top_k` experts a token and drop what exceeds the capacity.

    Args:
        probabilities: `(T, E)` float32 router probabilities.
        top_k: int. Experts a token.
        capacity: int, int tensor or `None`. Most pairs one expert computes;
            `None` drops nothing.
        mask: `(T,)` bool or `None`. False marks padding, which is not routed.
        renormalize: bool. Divide the gates of a token by their sum.

    Returns:
        A `Routing`.
    """
    num_tokens, num_experts = ops.shape(probabilities)
    num_pairs = num_tokens * top_k
    if isinstance(num_pairs, int) and (num_experts + 1) * num_pairs >= 2**31:
        raise ValueError(
            "Too many tokens to be sorted by int32 keys: `num_experts + 1` "
            "times `top_k` times the tokens must stay below 2**31. Received: "
            f"`num_experts={num_experts}`, `top_k={top_k}`, {num_tokens} "
            "tokens."
        )
    gates, experts = ops.top_k(probabilities, top_k)
    experts = ops.cast(experts, "int32")
    if renormalize:
        gates = gates / ops.sum(gates, axis=-1, keepdims=True)
    if mask is not None:
        gates = ops.where(mask[:, None], gates, ops.zeros_like(gates))
        experts = ops.where(
            mask[:, None], experts, ops.full_like(experts, num_experts)
        )

    flat = ops.reshape(ops.transpose(experts), (-1,))
    pairs = ops.arange(num_pairs, dtype="int32")
    # The pair's own number breaks ties, which makes any sort a stable one.
    keys = ops.sort(flat * num_pairs + pairs)
    order = keys % num_pairs
    sorted_experts = keys // num_pairs
    load = ops.sum(
        ops.cast(flat[:, None] == ops.arange(num_experts), "int32"), axis=0
    )
    start = ops.cumsum(load) - load
    routed = sorted_experts < num_experts
    own_start = ops.take(
        start, ops.minimum(sorted_experts, num_experts - 1), axis=0
    )
    position = pairs - own_start
    if capacity is None:
        return Routing(
            gates, experts, order, sorted_experts, position, routed, load, load
        )
    kept = ops.logical_and(routed, position < capacity)
    # `argsort` inverts the permutation. `ops.scatter` would be a Python loop
    # over the pairs on PyTorch.
    kept_pairs = ops.take(kept, ops.argsort(order), axis=0)
    kept_choices = ops.transpose(ops.reshape(kept_pairs, (top_k, num_tokens)))
    gates = gates * ops.cast(kept_choices, gates.dtype)
    return Routing(
        gates,
        experts,
        order,
        sorted_experts,
        position,
        kept,
        load,
        ops.minimum(load, capacity),
    )


def restrict(routing, first, count):
    """The same for some of the experts, as if the others' pairs were padding.

    Args:
        routing: `Routing` for all experts.
        first: int or int tensor. The first of these experts.
        count: int. How many they are.

    Returns:
        A `Routing` in which they are numbered from 0 on.
    """

    def own(experts):
        among = ops.logical_and(experts >= first, experts < first + count)
        return among, ops.where(among, experts - first, count)

    among, experts = own(routing.experts)
    among_sorted, sorted_experts = own(routing.sorted_experts)
    return routing._replace(
        gates=ops.where(among, routing.gates, ops.zeros_like(routing.gates)),
        experts=experts,
        sorted_experts=sorted_experts,
        kept=ops.logical_and(routing.kept, among_sorted),
        load=ops.slice(routing.load, (first,), (count,)),
        kept_load=ops.slice(routing.kept_load, (first,), (count,)),
    )
