from typing import Any, NamedTuple

import tensorflow as tf

from ones_keras.layers.dispatch.blocks import from_blocks, to_blocks
from ones_keras.layers.dispatch.expert_bank import ExpertBank

BLOCKS_PER_GROUP = 12
LARGEST_BLOCK = 128
RUN_LENGTHS = (8, 4, 2, 1)


def sparse_outputs(tokens, routing, bank, activation):
    """Loop over the experts and their blocks, forward and backward.

    The gradient is written out because TensorFlow's own would keep every
    block's copy of its expert's weights; here only the blocks' inputs are
    stored and the activations recomputed. It serves XLA and plain graphs.
    """
    num_experts = bank.up_kernel.shape[0]
    blocks = to_blocks(
        tokens,
        routing,
        num_experts,
        BLOCKS_PER_GROUP,
        LARGEST_BLOCK,
        # XLA refuses a run longer than all blocks, even one never taken.
        least=RUN_LENGTHS[0],
    )

    @tf.custom_gradient
    def feed_forward(rows, *weights):
        outputs = _forward(rows, blocks, ExpertBank(*weights), activation)

        def gradient(upstream):
            return _backward(
                rows, upstream, blocks, ExpertBank(*weights), activation
            )

        return outputs, gradient

    outputs = feed_forward(
        blocks.rows, *(tf.convert_to_tensor(weight) for weight in bank)
    )
    return from_blocks(outputs, blocks, routing)


def _forward(rows, blocks, bank, activation):
    def expert_step(expert, outputs):
        up, up_bias, down, down_bias = (weight[expert] for weight in bank)

        def step(some, outputs):
            hidden = activation(tf.matmul(some.read(rows), up) + up_bias)
            output = tf.matmul(hidden, down) + down_bias
            return (some.write(outputs, output),)

        (outputs,) = _over_blocks(
            step, blocks.first[expert], blocks.count[expert], outputs
        )
        return expert + 1, outputs

    outputs = _block_array(rows)
    _, outputs = _loop(expert_step, 0, bank.up_kernel.shape[0], outputs)
    return tf.ensure_shape(outputs.stack(), rows.shape)


def _backward(rows, upstream, blocks, bank, activation):
    def expert_step(expert, row_grads, *bank_grads):
        up, up_bias, down, _ = (weight[expert] for weight in bank)

        def step(some, row_grads, up_g, up_bias_g, down_g, down_bias_g):
            block_rows, output_g = some.read(rows), some.read(upstream)
            before = tf.matmul(block_rows, up) + up_bias
            with tf.GradientTape() as tape:
                tape.watch(before)
                hidden = activation(before)
            before_g = tape.gradient(
                hidden, before, tf.matmul(output_g, down, transpose_b=True)
            )
            row_g = tf.matmul(before_g, up, transpose_b=True)
            return (
                some.write(row_grads, row_g),
                up_g + _outer(block_rows, before_g),
                up_bias_g + _float32_sum(before_g),
                down_g + _outer(hidden, output_g),
                down_bias_g + _float32_sum(output_g),
            )

        zeros = (tf.zeros(weight.shape[1:], tf.float32) for weight in bank)
        row_grads, *own_grads = _over_blocks(
            step,
            blocks.first[expert],
            blocks.count[expert],
            row_grads,
            *zeros,
        )
        bank_grads = (
            array.write(expert, tf.cast(grad, weight.dtype))
            for array, grad, weight in zip(
                bank_grads, own_grads, bank, strict=True
            )
        )
        return expert + 1, row_grads, *bank_grads

    num_experts = bank.up_kernel.shape[0]
    bank_arrays = (
        tf.TensorArray(
            weight.dtype, num_experts, element_shape=weight.shape[1:]
        )
        for weight in bank
    )
    _, row_grads, *bank_grads = _loop(
        expert_step, 0, num_experts, _block_array(rows), *bank_arrays
    )
    return row_grads.stack(), *(array.stack() for array in bank_grads)


def _loop(step, start, end, *state):
    return tf.while_loop(
        lambda index, *_: index < end,
        step,
        (start, *state),
        parallel_iterations=1,
    )


class _Run(NamedTuple):
    """`length` blocks of one expert from block `start` on."""

    start: Any
    length: int

    def read(self, blocks):
        """Rows `(length * block_size, D)` of blocks."""
        _, size, dim = blocks.shape
        own = tf.slice(blocks, (self.start, 0, 0), (self.length, size, dim))
        return tf.reshape(own, (self.length * size, dim))

    def write(self, array, rows):
        for index, block in enumerate(tf.split(rows, self.length)):
            array = array.write(self.start + index, block)
        return array


def _over_blocks(step, first, count, *state):
    """Take an expert's blocks in long runs first, and what is left in shorter.

    One product of a run is closer to peak than a product a block, and short
    blocks waste few padded rows.
    """
    for length in RUN_LENGTHS:
        end = first + count // length * length

        def run_step(start, *state, length=length):
            return start + length, *step(_Run(start, length), *state)

        _, *state = _loop(run_step, first, end, *state)
        first, count = end, count % length
    return state


def _block_array(rows):
    # Blocks that no expert uses are never written and read as zeros.
    return tf.TensorArray(
        rows.dtype, tf.shape(rows)[0], element_shape=rows.shape[1:]
    )


def _outer(rows, columns):
    return tf.cast(tf.matmul(rows, columns, transpose_a=True), tf.float32)


def _float32_sum(rows):
    return tf.reduce_sum(tf.cast(rows, tf.float32), axis=0)
