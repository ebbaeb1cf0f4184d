"""Blocks: the static-shape layout that the XLA backends compute on.

Pairs are laid out expert after expert, each expert's group padded to whole
blocks of `block_size` rows, so that a block belongs to one expert. With `N`
pairs that takes fewer than `N / block_size + E` blocks, whatever the routing,
so that with as many the last block is always free.
"""

from typing import Any, NamedTuple

from keras import ops

MULTIPLE = 16  # Rows of the matrix units' tiles.


class Blocks(NamedTuple):
    """Attributes:
    rows: `(num_blocks, block_size, D)`. The tokens; padding rows are zeros.
    experts: `(num_blocks,)` int32. Expert of each block.
    first: `(E,)` int32. First block of each expert.
    count: `(E,)` int32. Blocks of each expert.
    slots: `(T * K,)` int32. Row of each pair; the last row, which is nobody's,
        where the pair is not computed.
    """

    rows: Any
    experts: Any
    first: Any
    count: Any
    slots: Any


def block_size(num_pairs, num_experts, blocks_per_group, largest):
    """Rows a block, so that `blocks_per_group` hold a balanced expert's group.

    And a sixteenth more, so that a slightly larger group needs no further one.
    `num_pairs` is no int where the batch size is unknown.
    """
    if not isinstance(num_pairs, int):
        return largest
    group = num_pairs * 17 // (num_experts * 16)
    per_group = max(blocks_per_group, -(-group // largest))
    return MULTIPLE * max(1, -(-group // (per_group * MULTIPLE)))


def to_blocks(
    tokens,
    routing,
    num_experts,
    blocks_per_group,
    largest,
    least=1,
    most_pairs=None,
):
    """Lay the routed tokens out in blocks, `least` of them or more.

    Where it is known that at most `most_pairs` are computed, there are as many
    blocks as these need and not more.

    Larger blocks run closer to peak, smaller ones waste fewer padded rows:
    half a block an expert on average.
    """
    num_tokens, dim = ops.shape(tokens)
    num_pairs = ops.shape(routing.order)[0]
    known_pairs = routing.order.shape[0]
    if most_pairs is not None:
        known_pairs = min(known_pairs, most_pairs)
    size = block_size(known_pairs, num_experts, blocks_per_group, largest)
    laid_out = num_pairs if most_pairs is None else known_pairs
    num_blocks = (laid_out + size - 1) // size + num_experts
    if isinstance(num_blocks, int):
        num_blocks = max(num_blocks, least)
    elif least > 1:  # A number that JAX knows only by name stays a shape.
        num_blocks = ops.maximum(num_blocks, least)
    count = (routing.kept_load + size - 1) // size
    end = ops.cumsum(count)
    first = end - count
    expert_index = ops.minimum(routing.sorted_experts, num_experts - 1)
    rows = ops.take(first, expert_index, axis=0) * size + routing.position
    rows = ops.where(routing.kept, rows, num_blocks * size)
    # A row holds its token's number plus one, so that untouched rows are 0 and
    # read the zero row put before the tokens.
    sources = ops.scatter(
        rows[:, None],
        routing.order % num_tokens + 1,
        (num_blocks * size + 1,),
    )[:-1]
    slots = ops.scatter(
        routing.order[:, None],
        ops.minimum(rows, num_blocks * size - 1),
        (num_pairs,),
    )
    padded = ops.concatenate([ops.zeros_like(tokens[:1]), tokens], axis=0)
    block_numbers = ops.arange(num_blocks, dtype="int32")
    experts = ops.sum(
        ops.cast(block_numbers[:, None] >= end[None], "int32"), axis=1
    )
    return Blocks(
        ops.reshape(ops.take(padded, sources, axis=0), (-1, size, dim)),
        ops.minimum(experts, num_experts - 1),
        first,
        count,
        slots,
    )


def from_blocks(outputs, blocks, routing):
    """Outputs `(K, T, D)` of the pairs, of `(num_blocks, block_size, D)`."""
    num_tokens, top_k = ops.shape(routing.gates)
    dim = outputs.shape[-1]
    rows = ops.reshape(outputs, (-1, dim))
    pairs = ops.take(rows, blocks.slots, axis=0)
    return ops.reshape(pairs, (top_k, num_tokens, dim))
