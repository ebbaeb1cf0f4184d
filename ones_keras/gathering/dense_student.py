import keras

from ones_keras.layers import DenseFeedForward, MoEFeedForward


def dense_student(teacher):
    """A freshly initialised dense model of the teacher's architecture.

    A model family with a `to_dense()` of its own is asked for it. Any other
    functional model is cloned with each `MoEFeedForward` replaced by the two
    stock layers of a `DenseFeedForward`, named `<layer>_up` and `<layer>_down`.
    """
    if hasattr(teacher, "to_dense"):
        return teacher.to_dense()

    def clone_layer(layer):
        if not isinstance(layer, MoEFeedForward):
            return layer.__class__.from_config(layer.get_config())
        return DenseFeedForward(
            layer.intermediate_dim,
            layer.activation,
            kernel_initializer=layer.kernel_initializer,
            bias_initializer=layer.bias_initializer,
            dtype=layer.dtype_policy,
            name=layer.name,
        )

    def call_layer(layer, *args, **kwargs):
        if isinstance(layer, DenseFeedForward):
            return layer.inline(*args)
        return layer(*args, **kwargs)

    # A fresh functional wrapper: `clone_model` takes neither Sequential models
    # nor subclasses of Functional with a call function.
    graph = getattr(teacher, "_functional", teacher)
    plain = keras.Model(
        graph.input, graph.output, name=f"{teacher.name}_student"
    )
    return keras.models.clone_model(
        plain,
        call_function=call_layer,
        clone_function=clone_layer,
        recursive=True,
    )
