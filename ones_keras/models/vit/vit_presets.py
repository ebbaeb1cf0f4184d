"""Configurations of the ViT family. Weights are fresh: none are published.

`widenet_vit_*` are the teachers of "Go Wider Instead of Deeper" (Table 1 of
OneS), `ones_vit_*` their dense students, `vit_*` the dense baselines with
layers of their own. `*_tiny` is the laptop-sized pair for 8x8 digits.
"""

_TINY = {
    "image_shape": (8, 8, 1),
    "patch_size": 2,
    "num_layers": 4,
    "num_heads": 4,
    "hidden_dim": 32,
    "intermediate_dim": 32,
}
_IMAGENET = {
    "image_shape": (224, 224, 3),
    "patch_size": 16,
    "dropout": 0.1,
}
_BASE = {
    **_IMAGENET,
    "num_layers": 12,
    "num_heads": 12,
    "hidden_dim": 768,
}
_LARGE = {
    **_IMAGENET,
    "num_layers": 24,
    "num_heads": 16,
    "hidden_dim": 1024,
    "intermediate_dim": 4096,
}
_HUGE = {
    **_IMAGENET,
    "num_layers": 32,
    "num_heads": 16,
    "hidden_dim": 1280,
    "intermediate_dim": 5120,
}
# WideNet-B is wider than ViT-B: 4096 hidden units, not 3072.
_WIDENET_BASE = {**_BASE, "intermediate_dim": 4096}
_SHARED = {"share_layers": True}
_SPARSE = {**_SHARED, "num_experts": 4, "top_k": 2}

VIT_PRESETS = {
    # Nothing is dropped in training: docs/image_results.md says why.
    "widenet_vit_tiny": {**_TINY, **_SPARSE, "capacity_factor": None},
    "widenet_vit_base": {**_WIDENET_BASE, **_SPARSE},
    "widenet_vit_large": {**_LARGE, **_SPARSE},
    "widenet_vit_huge": {**_HUGE, **_SPARSE},
    "ones_vit_tiny": {**_TINY, **_SHARED},
    "ones_vit_base": {**_WIDENET_BASE, **_SHARED},
    "ones_vit_large": {**_LARGE, **_SHARED},
    "vit_base": {**_BASE, "intermediate_dim": 3072},
    "vit_large": _LARGE,
}
