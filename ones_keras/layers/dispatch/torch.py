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
    outputs = []
    for expert, rows in enumerate(groups):
        hidden = activation(
            torch.addmm(bank.up_bias[expert], rows, bank.up_kernel[expert])
        )
        outputs.append(
            torch.addmm(
                bank.down_bias[expert], hidden, bank.down_kernel[expert]
            )
        )
    gates = routing.gates.T.reshape(-1).index_select(0, pairs)
    weighted = torch.cat(outputs) * gates[:, None].to(tokens.dtype)
    return torch.zeros_like(tokens).index_add(0, sources, weighted)
