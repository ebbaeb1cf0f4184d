from keras import ops


def all_experts_feed_forward(tokens, routing, bank, activation):
    """Compute every expert on every token and weight by the gates.

    This is Eq. 1 of OneS as written. It costs `num_experts / top_k` times the
    sparse path and is what that one is tested and timed against.
    """
    # What is not finite in padding would stay so when weighted by zero.
    used = ops.any(routing.gates > 0, axis=1, keepdims=True)
    tokens = ops.where(used, tokens, ops.zeros_like(tokens))
    num_experts = bank.up_kernel.shape[0]
    chosen = routing.experts[..., None] == ops.arange(num_experts)
    weights = ops.sum(
        ops.cast(chosen, "float32") * routing.gates[..., None], axis=1
    )
    hidden = ops.einsum("td,edh->eth", tokens, bank.up_kernel)
    hidden = activation(hidden + bank.up_bias[:, None])
    outputs = ops.einsum("eth,ehd->etd", hidden, bank.down_kernel)
    outputs = outputs + bank.down_bias[:, None]
    return ops.einsum("etd,te->td", outputs, ops.cast(weights, outputs.dtype))
