import keras

from ones_keras.layers import DenseFeedForward, MoEFeedForward
from ones_keras.portable_saving import PortableModel


def dense_student(teacher, intermediate_dim=None):
    """A freshly initialised dense model of the teacher's architecture.

    A model family with a `to_dense()` of its own is asked for it. Any other
    functional model is cloned with each `MoEFeedForward` replaced by the two
    stock layers of a `DenseFeedForward`, named `<layer>_up` and `<layer>_down`.
    These have the width of an expert where `intermediate_dim` is `None`.
    """
    if hasattr(teacher, "to_dense"):
        if intermediate_dim is None:
            return teacher.to_dense()
        return teacher.to_dense(intermediate_dim=intermediate_dim)

    name = f"{teacher.name}_student"
    clone = _Cloner(intermediate_dim).clone(teacher, name)
    return PortableModel(clone.input, clone.output, name=name)


class _Cloner:
    """Clones a model layer by layer, one with experts as one without."""

    def __init__(self, intermediate_dim):
        self._intermediate_dim = intermediate_dim
        self._clones = {}

    def clone(self, model, name):
        # A fresh functional wrapper: `clone_model` takes neither Sequential
        # models nor subclasses of Functional with a call function.
        graph = getattr(model, "_functional", model)
        return keras.models.clone_model(
            keras.Model(graph.input, graph.output, name=name),
            call_function=_call_layer,
            clone_function=self._layer,
        )

    def _layer(self, layer):
        # A layer that several nested models share stays one layer.
        if id(layer) not in self._clones:
            self._clones[id(layer)] = self._new_layer(layer)
        return self._clones[id(layer)]

    def _new_layer(self, layer):
        if isinstance(layer, keras.Model) and getattr(layer, "inputs", None):
            # A nested functional model; `recursive=True` would forget the call
            # function on the way.
            return self.clone(layer, layer.name)
        if not isinstance(layer, MoEFeedForward):
            return layer.__class__.from_config(_plain(layer.get_config()))
        return DenseFeedForward(
            self._intermediate_dim or layer.intermediate_dim,
            layer.activation,
            kernel_initializer=layer.kernel_initializer,
            bias_initializer=layer.bias_initializer,
            dtype=layer.dtype_policy,
            name=layer.name,
        )


def _call_layer(layer, *args, **kwargs):
    if isinstance(layer, DenseFeedForward):
        # Neither `mask` nor `training` means anything to it.
        return layer.inline(args[0] if args else kwargs["inputs"])
    return layer(*args, **kwargs)


def _plain(config):
    """`config` of a layer that is neither frozen nor adapted.

    On TensorFlow what is built frozen stays so, and beside a LoRA the kernel
    would.
    """
    if isinstance(config, dict):
        return {
            key: True if key == "trainable" else _plain(value)
            for key, value in config.items()
            if key not in ("lora_rank", "lora_alpha")
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_plain(value) for value in config)
    return config
