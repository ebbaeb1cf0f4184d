import functools

import jax

from ones_keras.layers.dispatch.blocks import from_blocks, to_blocks


# Eager calls would otherwise compile the scan anew every time.
@functools.partial(jax.jit, static_argnames="activation")
def sparse_feed_forward(tokens, routing, bank, activation):
    """Scan over the blocks, each with the weights of its expert.

    The block's activations are recomputed in the backward pass: what is stored
    is a block's input and never the hidden units or a copy of the weights.
    """

    @jax.checkpoint
    def feed_forward(carry, block):
        rows, expert = block
        hidden = activation(
            rows @ bank.up_kernel[expert] + bank.up_bias[expert]
        )
        outputs = hidden @ bank.down_kernel[expert] + bank.down_bias[expert]
        return carry, outputs

    blocks = to_blocks(tokens, routing, bank.up_kernel.shape[0])
    _, outputs = jax.lax.scan(feed_forward, None, (blocks.rows, blocks.experts))
    return from_blocks(outputs, blocks, routing)
