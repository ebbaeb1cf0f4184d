import functools

import jax

from ones_keras.layers.dispatch.blocks import from_blocks, to_blocks
from ones_keras.layers.dispatch.expert_bank import ExpertBank

BLOCKS_PER_GROUP = 3
LARGEST_BLOCK = 512


# Eager calls would otherwise compile the scan anew every time.
@functools.partial(jax.jit, static_argnames=("activation", "most_pairs"))
def sparse_outputs(tokens, routing, bank, activation, most_pairs=None):
    """Scan over the blocks, each with the weights of its expert.

    `most_pairs` is how many are computed at most, where that is known: of a
    device that has some of the experts only, all pairs could be another's.

    The block's activations are recomputed in the backward pass: what is stored
    is a block's input and never the hidden units or a copy of the weights.
    """

    # The gradient of a weight is summed over the blocks in the dtype it has
    # here, which must not be bfloat16.
    bank = ExpertBank(*(weight.astype("float32") for weight in bank))

    @jax.checkpoint
    def feed_forward(carry, block):
        rows, expert = block
        own = ExpertBank(
            *(weight[expert].astype(rows.dtype) for weight in bank)
        )
        hidden = activation(rows @ own.up_kernel + own.up_bias)
        return carry, hidden @ own.down_kernel + own.down_bias

    blocks = to_blocks(
        tokens,
        routing,
        bank.up_kernel.shape[0],
        BLOCKS_PER_GROUP,
        LARGEST_BLOCK,
        most_pairs=most_pairs,
    )
    _, outputs = jax.lax.scan(feed_forward, None, (blocks.rows, blocks.experts))
    return from_blocks(outputs, blocks, routing)
