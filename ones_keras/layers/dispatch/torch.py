import torch


def sparse_feed_forward(tokens, routing, bank, activation):
    """One pair of matrix products an expert, on exactly the rows it was sent.

    PyTorch runs eagerly, so shapes may follow the routing and nothing is
    padded.
    """
    num_tokens = tokens.shape[0]
    pairs = routing.order[routing.kept]
    sources = pairs % num_tokens
    groups = torch.split(
        tokens.index_select(0, sources), routing.kept_load.tolist()
    )
    # Unbound at once: the gradient of indexing would be a whole bank an expert.
    experts = zip(*(weight.unbind() for weight in bank), strict=True)
    outputs = []
    for rows, (up, up_bias, down, down_bias) in zip(
        groups, experts, strict=True
    ):
        hidden = activation(torch.addmm(up_bias, rows, up))
        outputs.append(torch.addmm(down_bias, hidden, down))
    gates = routing.gates.T.reshape(-1).index_select(0, pairs)
    weighted = torch.cat(outputs) * gates[:, None].to(tokens.dtype)
    return torch.zeros_like(tokens).index_add(0, sources, weighted)
