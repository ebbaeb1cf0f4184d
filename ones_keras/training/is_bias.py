def is_bias(variable):
    """Whether weight decay passes a variable by.

    Those are biases and the scales and offsets of normalisation: variables of
    at most one axis, and those with a "bias" in their path, as the biases of an
    expert bank, of shape `(num_experts, dim)`, and a bias that is the one row
    of an embedding.

    Args:
        variable: `keras.Variable`.
    """
    return len(variable.shape) <= 1 or any(
        part == "bias" or part.endswith("_bias")
        for part in variable.path.split("/")
    )
