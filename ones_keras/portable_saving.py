import os

import keras
from absl import logging

from ones_keras.write_aside import write_aside


class PortableSaving:
    """Mixin: a model without experts is saved as plain Keras.

    `save()` of a dense model writes a flat functional model of stock layers,
    so that `keras.models.load_model` reads it where neither `ones_keras` nor
    KerasHub is installed. A model with experts is saved as itself. Either way
    the file is written aside and renamed, so that it is whole or not there.

    Classes that mix this in are functional and have an `is_sparse` attribute.
    """

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Save the model as a `.keras` file; see `keras.Model.save`.

        A compiled model keeps its optimizer and loss in the file, unless they
        are not Keras' own, in which case the file would not load elsewhere:
        they are left out and a warning says so. Layers and activations that
        are not Keras' own stay, and a warning names them.
        """
        filepath = str(filepath)
        if not filepath.endswith(".keras"):
            raise ValueError(
                "`filepath` must end in `.keras`. Received: "
                f"`filepath={filepath!r}`."
            )
        if not overwrite and os.path.exists(filepath):
            raise ValueError(
                f"The file exists and `overwrite=False`. Received: "
                f"`filepath={filepath!r}`."
            )
        with write_aside(filepath) as aside:
            if self.is_sparse:
                super().save(aside, zipped=zipped, **kwargs)
            else:
                plain_functional(self).save(aside, zipped=zipped, **kwargs)

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:
            config["optimizer_built"] = self.optimizer.built
        return config

    def compile_from_config(self, config):
        # Keras leaves a loaded model uncompiled when its class overrides
        # `compile`, as KerasHub's tasks do; training could not continue.
        config = dict(config)
        built = config.pop("optimizer_built", True)
        self.compile(**keras.saving.deserialize_keras_object(config))
        # One that never took a step has no state in the file.
        if built:
            self.optimizer.build(self.trainable_variables)


@keras.saving.register_keras_serializable(package="ones_keras")
class PortableModel(PortableSaving, keras.Model):
    """A functional model whose `save()` writes a plain one, file by file whole.

    Keras itself would write a model compiled on PyTorch so that the file loads
    only where PyTorch is installed.
    """

    is_sparse = False


def plain_functional(model):
    """The same graph, layers and variables as a plain `keras.Model`."""
    plain = keras.Model(model.input, model.output, name=model.name)
    foreign = _foreign_names(plain.get_config())
    if foreign:
        logging.warning(
            "Saved %s with parts that are not Keras' own: to load it elsewhere "
            "takes `custom_objects` with %s.",
            model.name,
            ", ".join(sorted(foreign)),
        )
    if model.compiled:
        config = _any_backend(model.get_compile_config())
        config.pop("optimizer_built", None)
        foreign = _foreign_names(config)
        if foreign:
            logging.warning(
                "Saved %s without its compile state: %s would keep the file "
                "from loading where it is not installed.",
                model.name,
                ", ".join(sorted(foreign)),
            )
        else:
            plain.compile_from_config(config)
            # One that never took a step has no state of the right shape yet.
            if model.optimizer.built:
                plain.optimizer = model.optimizer
            object.__setattr__(plain, "get_compile_config", lambda: config)
    return plain


def _any_backend(config):
    """`config` with PyTorch's own optimizer classes by their public names.

    Keras writes them as `keras.src.backend.torch...`, which does not load
    where PyTorch is not installed.
    """
    if isinstance(config, (list, tuple)):
        return [_any_backend(item) for item in config]
    if not isinstance(config, dict):
        return config
    config = {key: _any_backend(value) for key, value in config.items()}
    module = config.get("module")
    if str(module).startswith("keras.src.backend.torch.optimizers"):
        config.update(module="keras.optimizers", registered_name=None)
    return config


def _foreign_names(config):
    """Names of serialised objects in `config` that are not Keras' own."""
    if isinstance(config, (list, tuple)):
        return set().union(*map(_foreign_names, config))
    if not isinstance(config, dict):
        return set()
    found = set().union(*map(_foreign_names, config.values()))
    if "class_name" in config and "config" in config:
        kind = config["class_name"]
        name = config.get("registered_name") or kind
        module = config.get("module") or "unknown"
        if kind == "function":
            name = config["config"]
            own = _is_keras_function(name)
        elif kind.startswith("__"):
            # The others of this form stand for tensors and plain values.
            own = kind != "__lambda__"
        else:
            own = ">" not in name and module.split(".")[0] in (
                "builtins",
                "keras",
            )
        if not own:
            found.add(name)
    return found


def _is_keras_function(name):
    return any(
        callable(getattr(module, name, None))
        for module in (
            keras.activations,
            keras.initializers,
            keras.losses,
            keras.metrics,
            keras.regularizers,
        )
    )
