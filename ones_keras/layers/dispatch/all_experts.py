from keras import ops


def all_experts_outputs(tokens, routing, bank, activation):
    """Compute every expert on every token and pick the chosen ones.

    This is Eq. 1 of OneS as written. It costs `num_experts / top_k` times the
    sparse path and is what that one is tested and timed against.
    """
    # What is not finite in padding would stay so when weighted by zero.
    used = ops.any(routing.gates > 0, axis=1, keepdims=True)
    tokens = ops.where(used, tokens, ops.zeros_like(tokens))
    hidden = ops.einsum("td,edh->eth", tokens, bank.up_kernel)
    hidden = activation(hidden + bank.up_bias[:, None])
    outputs = ops.einsum("eth,ehd->etd", hidden, bank.down_kernel)
    outputs = outputs + bank.down_bias[:, None]
    num_experts = bank.up_kernel.shape[0]
    chosen = routing.experts[..., None] == ops.arange(num_experts)
    return ops.einsum("etd,tke->ktd", outputs, ops.cast(chosen, outputs.dtype))
