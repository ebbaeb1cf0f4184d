import inspect

import keras
from keras_hub.models import Task

from ones_keras.models.plain_training import PlainTraining
from ones_keras.models.preset_arguments import check_folder, split_overrides
from ones_keras.portable_saving import PortableSaving


class SparseTask(PortableSaving, PlainTraining):
    """Mixin: what a task on a `SparseBackbone` can do.

    The graph of a task is flat, so that a dense one saves as plain Keras.
    Constructor arguments are attributes, and are the config.

    Attributes:
        head_arguments: tuple of strings, of the class. Arguments of the head
            that replace those of a preset folder.
    """

    head_arguments = ()

    @property
    def is_sparse(self):
        return self.backbone.is_sparse

    def get_config(self):
        head = self._head()
        policy = head["head_dtype"]
        head["head_dtype"] = policy and keras.dtype_policies.serialize(policy)
        # Past a base such as `ImageClassifier`, whose arguments are others.
        config = {**Task.get_config(self), **head}
        if not self.compiled:
            # It would be by default, with an optimizer that no file has.
            config["compile"] = False
        return config

    def _head(self):
        arguments = inspect.signature(type(self).__init__).parameters
        return {
            name: getattr(self, name)
            for name in arguments
            if name not in ("self", "backbone", "preprocessor", "kwargs")
        }

    def to_dense(self, intermediate_dim=None):
        """A freshly initialised dense model of the same architecture.

        It is not compiled: KerasHub's default optimizer would go along into
        every saved file, at twice the size of the weights.

        Args:
            intermediate_dim: int or `None`. Hidden units of its feed-forward
                layers; `None` takes those of one expert.
        """
        return type(self)(
            self.backbone.to_dense(intermediate_dim),
            preprocessor=self.preprocessor,
            **self._head(),
            compile=False,
            name=f"{self.name}_student",
        )

    @classmethod
    def from_preset(cls, preset, load_weights=True, **overrides):
        """A model from a built-in preset or a preset folder.

        Built-in presets are configurations: their weights are fresh.

        Args:
            preset: string. A built-in name or a folder written by
                `save_to_preset`.
            load_weights: bool. Whether a folder's weights are loaded. Defaults
                to `True`.
            **overrides: Arguments of the head or of the backbone that replace
                the preset's, `dropout` in both. `activation` is the
                feed-forward layers', as the head has none; of a folder only
                `dtype` and what decides the size of the head can be replaced.
        """
        family = cls.backbone_cls
        if preset in family.configurations:
            head, backbone = split_overrides(overrides, cls, family)
            if "dropout" in head:
                backbone["dropout"] = head["dropout"]
            return cls(family.from_preset(preset, **backbone), **head)
        check_folder(preset, family.configurations)
        split_overrides(overrides, (*cls.head_arguments, "dtype"))
        return super().from_preset(preset, load_weights, **overrides)


def head_policy(head_dtype):
    """`head_dtype` as a policy, `None` as it is."""
    return head_dtype and keras.dtype_policies.get(head_dtype)
