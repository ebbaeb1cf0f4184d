import keras
from absl import logging

from ones_keras.data.input_batches import input_batches

# Importing a method's module registers it.
from ones_keras.gathering import average, sum, svd, top_k  # noqa: F401
from ones_keras.gathering.dense_student import dense_student
from ones_keras.gathering.expert_weights import ExpertWeights
from ones_keras.gathering.gathering_report import GatheringReport, LayerReport
from ones_keras.gathering.layer_error import layer_errors
from ones_keras.gathering.registry import get_method
from ones_keras.gathering.transfer import (
    copy_matched_layers,
    graph_layers,
    set_dense_weights,
)
from ones_keras.layers import MoEFeedForward
from ones_keras.layers.record_inputs import find_moe_layers


def gather(
    teacher,
    method="svd",
    *,
    calibration_data=None,
    return_report=False,
    **options,
):
    """Gather the experts of a sparse teacher into a new dense student.

    Every `MoEFeedForward` layer becomes one feed-forward layer of the width of
    an expert, whose weights the method makes from the experts'; all other
    layers are copied. The teacher is not changed, and shares no buffer with
    the student. Gathering is an initialisation: distil the student next, with
    `ones_keras.Distiller`.

    Args:
        teacher: A built functional `keras.Model` with `MoEFeedForward` layers:
            a model of `ones_keras.models` or your own.
        method: string. `"svd"`, `"top_k"`, `"sum"`, `"average"`, or a
            baseline: `"switch"` copies the matching layers and leaves the
            feed-forward layers random, `"random"` copies nothing. Defaults to
            `"svd"`, the paper's.
        calibration_data: Array, dict of arrays or iterable of batches, or
            `None`. Inputs of the teacher, in batches also `(x, y)`, on which
            the report measures the distance of each gathered layer from its
            MoE layer. Defaults to `None`.
        return_report: bool. Whether to return the report too. Defaults to
            `False`.
        **options: Options of the method: `svd_ratio` and `scale` of `"svd"`,
            `down_scale` and `per_matrix` of `"top_k"`, `down_scale` of
            `"sum"` and `"average"`.

    Returns:
        The student, a `keras.Model`, all of it trainable, whatever is frozen in
        the teacher; with `return_report=True` the pair of the student and a
        `GatheringReport`.

    Raises:
        ValueError: An unknown method or option, a teacher that is not
            functional, has no experts, or has them inside a layer of its own.

    Example:

    ```python
    import ones_keras

    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=10
    )
    student, report = ones_keras.gather(
        teacher, method="svd", svd_ratio=0.75, return_report=True
    )
    print(report)
    ```

    References:
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          section 3.1
    """
    chosen = get_method(method)
    chosen.check_options(options)
    if calibration_data is not None and not return_report:
        raise ValueError(
            "`calibration_data` is what the report is measured on, so it needs "
            "`return_report=True`. Received: `return_report=False`, "
            f"`calibration_data={type(calibration_data).__name__}`."
        )
    moe_layers = _check_teacher(teacher)
    batches = None
    if calibration_data is not None:
        batches = input_batches(calibration_data, name="calibration_data")

    # Before anything is built, so that a bad option costs nothing.
    gathered = {}
    if chosen.gather_layer is not None:
        for name, layer in moe_layers.items():
            experts = ExpertWeights.from_layer(layer)
            gathered[name] = chosen.gather_layer(experts, **options)

    student = dense_student(teacher)
    # A teacher that was frozen to be distilled says so in its layers' configs.
    student.trainable = True
    student_layers = graph_layers(student)
    copied = []
    if chosen.copy_matched:
        copied = copy_matched_layers(graph_layers(teacher), student_layers)
    for name, weights in gathered.items():
        set_dense_weights(student_layers, name, weights)
    # By layer, as one that nested models share has several names.
    filled = {
        id(student_layers[name])
        for name in (
            *copied,
            *(f"{name}_{part}" for name in gathered for part in ("up", "down")),
        )
    }
    fresh = sorted(
        name
        for name, layer in student_layers.items()
        if layer.weights and id(layer) not in filled
    )
    if fresh and chosen.gather_layer is not None:
        logging.warning(
            "gather: layers of the student without a match in the teacher "
            "keep their random weights: %s",
            fresh,
        )
    if not return_report:
        return student

    errors, num_tokens = {}, 0
    if batches is not None:
        errors, num_tokens = layer_errors(
            teacher, moe_layers, student_layers, batches
        )
    report = GatheringReport(
        method=method,
        options={**chosen.options, **options},
        layers=tuple(
            _report_layer(name, layer, student_layers, gathered, errors)
            for name, layer in moe_layers.items()
        ),
        copied=tuple(copied),
        fresh=tuple(fresh),
        parameters=(teacher.count_params(), student.count_params()),
        calibration_tokens=num_tokens,
    )
    return student, report


def _check_teacher(teacher):
    """The MoE layers of the teacher's graph by name."""
    functional = isinstance(teacher, keras.Model) and getattr(
        teacher, "inputs", None
    )
    if not functional:
        raise ValueError(
            "`teacher` must be a functional `keras.Model` that is built. "
            f"Received: `teacher={teacher}`."
        )
    found = {}
    for name, layer in graph_layers(teacher).items():
        if isinstance(layer, MoEFeedForward) and layer not in found.values():
            found[name] = layer
    hidden = [
        layer.name
        for layer in set(find_moe_layers(teacher)) - set(found.values())
    ]
    if hidden:
        raise ValueError(
            "Every `MoEFeedForward` must be a layer of the teacher's "
            "functional graph, but these are inside other layers: "
            f"{sorted(hidden)}. Received: `teacher={teacher.name}`."
        )
    if not found:
        raise ValueError(
            "`teacher` has no `MoEFeedForward` layer, so there are no experts "
            f"to gather. Received: `teacher={teacher.name}`."
        )
    return found


def _report_layer(name, layer, student_layers, gathered, errors):
    up = student_layers[f"{name}_up"]
    down = student_layers[f"{name}_down"]
    dim, units = up.kernel.shape
    expert_flops = 4 * dim * layer.intermediate_dim
    router_flops = 2 * dim * layer.num_experts
    return LayerReport(
        name=name,
        num_experts=layer.num_experts,
        top_k=layer.top_k,
        parameters=(
            layer.count_params(),
            up.count_params() + down.count_params(),
        ),
        flops=(layer.top_k * expert_flops + router_flops, 4 * dim * units),
        details=gathered[name].details if name in gathered else {},
        relative_error=errors.get(name),
    )
