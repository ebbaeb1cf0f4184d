"""Whether a teacher can teach a student at all."""

import keras


def check_models(teacher, student):
    """Raises a `ValueError` where teacher and student do not go together.

    Both must be built `keras.Model`s with inputs of the same shapes, and own
    their variables separately. Models without symbolic inputs (subclassed
    ones) show their shapes only when they run.
    """
    for role, model in (("teacher", teacher), ("student", student)):
        if not isinstance(model, keras.Model):
            raise ValueError(
                f"`{role}` must be a `keras.Model`. Received: {model!r} of "
                f"type `{type(model).__name__}`."
            )
        if not model.built:
            raise ValueError(
                f"`{role}` must be built: call it on a batch of data or give "
                f"it a `keras.Input` first. Received: an unbuilt model named "
                f"`{model.name!r}`."
            )
        if getattr(model, "preprocessor", None) is not None:
            raise ValueError(
                f"`{role}` must take what the data holds, as a `Distiller` "
                "runs no preprocessor: preprocess the data and set "
                f"`{role}.preprocessor = None`. Received: a {role} with "
                f"`preprocessor={model.preprocessor}`."
            )
    _check_separate_variables(teacher, student)
    _check_inputs(teacher, student)


def _check_separate_variables(teacher, student):
    own = {id(variable) for variable in teacher.variables}
    shared = [v.path for v in student.variables if id(v) in own]
    if shared:
        raise ValueError(
            "`teacher` and `student` must not share layers: training the "
            "student would train the teacher. Copy the weights instead "
            "(`student.set_weights(teacher.get_weights())`). Received: "
            f"{len(shared)} shared variables, the first of them "
            f"`{shared[0]}`."
        )


def _check_inputs(teacher, student):
    inputs = [getattr(model, "inputs", None) for model in (teacher, student)]
    if None in inputs:
        return
    shapes = [{x.name: x.shape for x in tensors} for tensors in inputs]
    if len(inputs[0]) != len(inputs[1]) or not all(
        same_shape(a.shape, b.shape) for a, b in zip(*inputs, strict=True)
    ):
        raise ValueError(
            "`teacher` and `student` must take inputs of the same shapes. "
            f"Received: teacher inputs={shapes[0]}, student "
            f"inputs={shapes[1]}."
        )


def same_shape(a, b):
    """Whether two shapes agree, `None` standing for any size."""
    return len(a) == len(b) and all(
        m == n or m is None or n is None for m, n in zip(a, b, strict=True)
    )
