import torch


def sparse_outputs(tokens, routing, bank, activation):
    """One pair of matrix products an expert, on exactly the rows it was sent.

    PyTorch runs eagerly, so shapes may follow the routing and nothing is
    padded.
    """
    num_tokens, top_k = routing.gates.shape
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
    outputs = torch.cat(outputs)
    rows = outputs.new_zeros(top_k * num_tokens, outputs.shape[1])
    rows = rows.index_copy(0, pairs.long(), outputs)
    return rows.view(top_k, num_tokens, -1)
