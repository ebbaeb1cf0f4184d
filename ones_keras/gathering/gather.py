import numbers

import keras
from absl import logging

from ones_keras.gathering import methods  # noqa: F401
from ones_keras.gathering.calibration_batches import CalibrationBatches
from ones_keras.gathering.dense_student import dense_student
from ones_keras.gathering.gather_layers import LayerGatherer
from ones_keras.gathering.gathering_report import GatheringReport, LayerReport
from ones_keras.gathering.measure_student import measure_student
from ones_keras.gathering.registry import METHODS, get_method
from ones_keras.gathering.transfer import (
    copy_matched_layers,
    graph_layers,
    set_dense_weights,
)
from ones_keras.layers import MoEFeedForward
from ones_keras.layers.record_inputs import find_moe_layers
from ones_keras.validation import check_positive_int

# What the study of docs/gathering.md found best.
WITH_DATA, WITHOUT_DATA = "layer_fit", "aligned_average"


def gather(
    teacher,
    method=None,
    *,
    intermediate_dim=None,
    calibration_data=None,
    calibration_tokens=16384,
    front_to_back=False,
    seed=0,
    return_report=False,
    verbose=True,
    **options,
):
    """Gather the experts of a sparse teacher into a new dense student.

    Every `MoEFeedForward` layer becomes one feed-forward layer, whose weights
    the method makes from the experts'; all other layers are copied. The teacher
    is not changed, and shares no buffer with the student. Gathering is an
    initialisation: distil the student next, with `ones_keras.Distiller`.

    Methods that only look at the weights are `"svd"`, `"top_k"`, `"sum"`,
    `"average"` and `"aligned_average"`. These also look at what the layers do
    on `calibration_data`: `"frequency_average"`, `"select_experts"`,
    `"select_units"`, `"matching_pursuit"`, `"least_squares"` and
    `"layer_fit"`. Two are baselines: `"switch"` copies the matching layers and
    leaves the feed-forward layers random, `"random"` copies nothing.

    Args:
        teacher: A built functional `keras.Model` with `MoEFeedForward` layers:
            a model of `ones_keras.models` or your own.
        method: string or `None`. Name of a method. Defaults to `None`, the best
            one of `docs/gathering.md`: `"layer_fit"` with `calibration_data`,
            `"aligned_average"` without.
        intermediate_dim: int or `None`. Hidden units of the student's
            feed-forward layers, of methods that select or fit them; `None` is
            those of one expert. Defaults to `None`.
        calibration_data: Array, dict of arrays or iterable of batches that can
            be gone through several times, or `None`. Inputs of the teacher, in
            batches also `(x, y)`; no labels are used. A few thousand examples
            do. A method that takes them is not given a fifth of the examples,
            which the report is measured on; with one that does not, that is
            all of them. Defaults to `None`.
        calibration_tokens: int. Most tokens of a layer that are kept, a random
            sample. With `E` experts and inputs of `D` dimensions they take
            `4 * calibration_tokens * (2 * D + E + 4)` bytes a layer, and once
            `4 * calibration_tokens * D` more, beside what one batch takes in
            the teacher, with inputs and outputs of all its MoE layers, and
            what the method takes. Defaults to `16384`.
        front_to_back: bool. Whether layers are gathered in their order, each
            on the tokens that reach it when the gathered ones before it are in
            place, its own earlier depths included if it is shared, and on what
            the teacher makes of the same examples: so that it can make good
            what was lost before it. Up to four passes of the teacher a layer
            in place of one for all. Defaults to `False`.
        seed: int. Of the sample of tokens, and of what a method does at
            random. Defaults to `0`.
        return_report: bool. Whether to return the report too. Defaults to
            `False`.
        verbose: bool. Whether calibration and methods that go by it show their
            progress. Defaults to `True`.
        **options: Options of the method, described in the docstring of its
            function, `help(ones_keras.gathering.METHODS["svd"].gather_layer)`.

    Returns:
        The student, a `keras.Model`, all of it trainable, whatever is frozen in
        the teacher; with `return_report=True` the pair of the student and a
        `GatheringReport`.

    Raises:
        ValueError: An unknown method or option, a teacher that is not
            functional, has no experts, or has them inside a layer of its own,
            calibration data that is missing, too little or leads to values
            that are not finite.

    Example:

    ```python
    import ones_keras

    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=10
    )
    images = np.random.uniform(0, 255, (100, 8, 8, 1))
    student, report = ones_keras.gather(
        teacher, calibration_data=images, return_report=True, steps=100
    )
    print(report)
    ```

    References:
        - [One Student Knows All Experts Know](https://arxiv.org/abs/2201.10890),
          section 3.1
    """
    if method is None:
        method = WITHOUT_DATA if calibration_data is None else WITH_DATA
    chosen = get_method(method)
    chosen.check_options(options)
    _check_arguments(
        chosen,
        intermediate_dim,
        calibration_data,
        calibration_tokens,
        front_to_back,
        seed,
        return_report,
    )
    moe_layers = _check_teacher(teacher)
    batches = None
    if calibration_data is not None:
        batches = CalibrationBatches(
            calibration_data,
            # Of a KerasHub task, which a plain call of the teacher leaves out.
            getattr(teacher, "preprocess_samples", None),
            needs_held_out=return_report and chosen.needs_calibration,
        )

    if intermediate_dim is not None:
        intermediate_dim = int(intermediate_dim)  # It goes into a config.
    gatherer = LayerGatherer(
        chosen, options, intermediate_dim, teacher, moe_layers
    )
    # Bad options end here, before anything is built.
    gatherer.check(calibration_tokens)
    gathered = {}
    if chosen.gather_layer is not None and not chosen.needs_calibration:
        gathered = gatherer.from_weights()
    student = dense_student(teacher, intermediate_dim)
    if chosen.needs_calibration:
        gathered = gatherer.from_data(
            batches, calibration_tokens, seed, front_to_back, verbose
        )
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

    errors, num_tokens, agreement = {}, 0, None
    if batches is not None:
        errors, num_tokens, agreement = measure_student(
            teacher,
            student,
            moe_layers,
            student_layers,
            batches,
            held_out_only=chosen.needs_calibration,
        )
    given = {}
    if intermediate_dim is not None:
        given["intermediate_dim"] = intermediate_dim
    if chosen.needs_calibration:
        given |= {
            "calibration_tokens": calibration_tokens,
            "front_to_back": front_to_back,
            "seed": seed,
        }
    report = GatheringReport(
        method=method,
        options={**chosen.options, **options, **given},
        layers=tuple(
            _report_layer(name, layer, student_layers, gathered, errors)
            for name, layer in moe_layers.items()
        ),
        copied=tuple(copied),
        fresh=tuple(fresh),
        parameters=(teacher.count_params(), student.count_params()),
        report_tokens=num_tokens,
        agreement=agreement,
    )
    return student, report


def _check_arguments(
    method,
    intermediate_dim,
    calibration_data,
    calibration_tokens,
    front_to_back,
    seed,
    return_report,
):
    check_positive_int("calibration_tokens", calibration_tokens)
    if not isinstance(seed, numbers.Integral) or seed < 0:
        raise ValueError(
            "`seed` must be an integer of 0 or more. Received: "
            f"`seed={seed!r}`."
        )
    if intermediate_dim is not None:
        check_positive_int("intermediate_dim", intermediate_dim)
        if not method.sets_width:
            raise ValueError(
                f"Method {method.name!r} makes layers of an expert's width "
                "only. These make others: "
                f"{sorted(m.name for m in METHODS.values() if m.sets_width)}. "
                f"Received: `intermediate_dim={intermediate_dim}`."
            )
    if method.needs_calibration and calibration_data is None:
        raise ValueError(
            f"Method {method.name!r} goes by what the layers do on data, so it "
            "needs `calibration_data`, some thousand inputs of the teacher "
            "without labels. Received: `calibration_data=None`."
        )
    if front_to_back and not method.needs_calibration:
        raise ValueError(
            "`front_to_back` is about calibration data, which method "
            f"{method.name!r} does not use. Received: `front_to_back=True`."
        )
    if (
        calibration_data is not None
        and not method.needs_calibration
        and not return_report
    ):
        raise ValueError(
            f"With method {method.name!r}, `calibration_data` is what the "
            "report is measured on, so it needs `return_report=True`. "
            "Received: `return_report=False`, "
            f"`calibration_data={type(calibration_data).__name__}`."
        )


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
