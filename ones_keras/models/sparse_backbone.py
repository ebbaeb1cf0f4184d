import dataclasses
import inspect
from typing import ClassVar

import keras
from keras_hub.models import Backbone

from ones_keras.models.preset_arguments import check_folder, split_overrides
from ones_keras.portable_saving import PortableSaving
from ones_keras.validation import check_positive_int


class SparseBackbone(PortableSaving, Backbone):
    """Base of the families: what a backbone on an `Encoder` can do.

    Args:
        encoder: `Encoder`. Its attributes become the backbone's.
        **kwargs: Arguments of `keras_hub.models.Backbone`.

    Attributes:
        configurations: dict from preset to constructor arguments, of the
            class. Weights are fresh: none are published.
    """

    configurations: ClassVar = {}

    def __init__(self, encoder, **kwargs):
        super().__init__(dtype=encoder.dtype, **kwargs)
        for field in dataclasses.fields(encoder):
            if field.name != "dtype":
                setattr(self, field.name, getattr(encoder, field.name))
        self.activation = keras.activations.get(encoder.activation)

    @property
    def is_sparse(self):
        return self.num_experts is not None

    def get_config(self):
        arguments = inspect.signature(type(self).__init__).parameters
        return {
            **super().get_config(),
            **{
                name: getattr(self, name)
                for name in arguments
                if name not in ("self", "dtype", "kwargs")
            },
            "activation": keras.activations.serialize(self.activation),
        }

    def to_dense(self, intermediate_dim=None):
        """A freshly initialised dense backbone of the same architecture.

        Args:
            intermediate_dim: int or `None`. Hidden units of its feed-forward
                layers; `None` takes those of one expert.

        Raises:
            ValueError: If a width is given and some blocks are dense already,
                as one width serves them all.
        """
        if intermediate_dim is not None:
            check_positive_int("intermediate_dim", intermediate_dim)
            if self.expert_every != 1:
                raise ValueError(
                    "`intermediate_dim` would also change the blocks that are "
                    "dense in the teacher, which could not be copied then. "
                    f"Received: `intermediate_dim={intermediate_dim}`, "
                    f"`expert_every={self.expert_every}`."
                )
        config = {
            **self.get_config(),
            "num_experts": None,
            "intermediate_dim": intermediate_dim or self.intermediate_dim,
        }
        return self.from_config(config)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **overrides):
        """A backbone from a built-in preset or a preset folder.

        Built-in presets are configurations: their weights are fresh.

        Args:
            preset: string. A built-in name or a folder written by
                `save_to_preset`.
            load_weights: bool. Whether a folder's weights are loaded. Defaults
                to `True`.
            **overrides: Constructor arguments that replace the preset's; of a
                folder only `dtype` can be replaced.
        """
        if preset in cls.configurations:
            overrides, _ = split_overrides(overrides, cls)
            return cls(**{**cls.configurations[preset], **overrides})
        check_folder(preset, cls.configurations)
        split_overrides(overrides, ("dtype",))
        return super().from_preset(preset, load_weights, **overrides)
