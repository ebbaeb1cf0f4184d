"""Configurations of the ALBERT family. Weights are fresh: none are published.

`widenet_albert_*` are the text teachers of OneS (section 4.2: 26M, 45M and 83M
parameters), `ones_albert_base` their dense student, and `albert_base` ALBERT
itself, whose LayerNormalizations are shared too. `*_tiny` is for a laptop.
"""

_TINY = {
    "vocabulary_size": 1000,
    "num_layers": 2,
    "num_heads": 4,
    "embedding_dim": 64,
    "hidden_dim": 64,
    "intermediate_dim": 64,
    "max_sequence_length": 128,
}
_BASE = {
    "vocabulary_size": 30000,
    "num_layers": 12,
    "num_heads": 12,
    "embedding_dim": 128,
    "hidden_dim": 768,
    "intermediate_dim": 3072,
    "max_sequence_length": 512,
}

ALBERT_PRESETS = {
    # Nothing is dropped in training, as in `widenet_vit_tiny`.
    "widenet_albert_tiny": {
        **_TINY,
        "num_experts": 4,
        "capacity_factor": None,
    },
    "widenet_albert_base_4e": {**_BASE, "num_experts": 4},
    "widenet_albert_base_8e": {**_BASE, "num_experts": 8},
    "widenet_albert_base_16e": {**_BASE, "num_experts": 16},
    "ones_albert_tiny": _TINY,
    "ones_albert_base": _BASE,
    "albert_base": {**_BASE, "share_norms": True},
}
