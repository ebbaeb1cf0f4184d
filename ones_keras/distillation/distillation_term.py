"""The teacher's part of the loss."""

import inspect
from typing import Any, NamedTuple

import keras
from absl import logging

from ones_keras.distillation.check_logits import (
    check_ends_in_logits,
    check_loss_takes_logits,
)
from ones_keras.distillation.check_models import same_shape
from ones_keras.distillation.hard_distillation_loss import HardDistillationLoss
from ones_keras.distillation.output_keys import output_keys
from ones_keras.distillation.soft_distillation_loss import SoftDistillationLoss


class _Pair(NamedTuple):
    """An output of the teacher beside the student's of the same name."""

    name: str
    key: Any
    position: int
    teacher: Any
    student: Any

    def part_of(self, structure):
        """What is meant for this output in losses or weights for several."""
        if isinstance(structure, dict):
            return structure.get(self.key, structure.get(self.name))
        if isinstance(structure, (list, tuple)):
            return structure[self.position]
        return structure


class DistillationTerm:
    """Compares the outputs of a teacher and a student.

    Args:
        distillation: string or `keras.distillation.DistillationLoss`. As in
            `Distiller`.
        temperature: float. As in `Distiller`.
        outputs: string or list of strings. As in `Distiller`.
        output_names: list of strings. The names of a list of outputs, or
            `None`.
    """

    def __init__(self, distillation, temperature, outputs, output_names):
        self.distillation = distillation
        self.temperature = temperature
        self.outputs = [outputs] if isinstance(outputs, str) else outputs
        self.output_names = output_names
        self._is_built_in = isinstance(distillation, str)
        self._on_logits = self._is_built_in or isinstance(
            distillation, keras.distillation.LogitsDistillation
        )

    def check_models(self, teacher, student):
        """Raises a `ValueError` where the models' outputs do not compare."""
        if not self._is_built_in:
            self.distillation.validate_model_compatibility(teacher, student)
        _check_names(symbolic_outputs(student), self.output_names)
        for pair in self._symbolic_pairs(teacher, student):
            if self._on_logits:
                check_ends_in_logits("teacher", pair.teacher)
                check_ends_in_logits("student", pair.student)

    def check_loss(self, teacher, student, loss):
        """Raises a `ValueError` where the labels' loss is not on logits."""
        for pair in self._symbolic_pairs(teacher, student):
            part = pair.part_of(loss)
            if self._on_logits and part is not None:
                check_loss_takes_logits(pair.name, part)

    def __call__(self, teacher_outputs, student_outputs, sample_weight, loss):
        """Returns the term, reduced as the labels' loss is.

        Args:
            teacher_outputs: tensor or nested tensors.
            student_outputs: tensor or nested tensors, of the same structure
                and shapes as the teacher's.
            sample_weight: tensor or nested tensors. As in `fit()`.
            loss: loss or nested losses. As in `compile()`.
        """
        pairs = self._pairs(teacher_outputs, student_outputs)
        if not self._is_built_in:
            if self.outputs is not None:
                teacher_outputs, student_outputs = _chosen(pairs)
            if sample_weight is not None:
                sample_weight = keras.tree.map_structure(
                    keras.ops.convert_to_tensor, sample_weight
                )
            return self._replacement(
                teacher_outputs, student_outputs, sample_weight
            )
        total = 0.0
        for pair in pairs:
            reduction = getattr(
                pair.part_of(loss), "reduction", "sum_over_batch_size"
            )
            total += self._built_in(reduction)(
                pair.teacher, pair.student, pair.part_of(sample_weight)
            )
        return total

    def _built_in(self, reduction):
        if self.distillation == "hard":
            return HardDistillationLoss(reduction)
        return SoftDistillationLoss(self.temperature, reduction)

    def _replacement(self, teacher_outputs, student_outputs, sample_weight):
        loss = self.distillation
        weights = {}
        if "sample_weight" in inspect.signature(loss.compute_loss).parameters:
            weights["sample_weight"] = sample_weight
        elif sample_weight is not None:
            logging.log_first_n(
                logging.WARNING,
                "The distillation term ignores `sample_weight` and "
                "`class_weight`: %s.compute_loss() has no argument "
                "`sample_weight`.",
                1,
                type(loss).__name__,
            )
        loss.validate_outputs(teacher_outputs, student_outputs)
        value = loss.compute_loss(teacher_outputs, student_outputs, **weights)
        if len(value.shape):
            raise ValueError(
                f"`{type(loss).__name__}.compute_loss()` must return a "
                f"scalar. Received: a tensor of shape {value.shape}."
            )
        return value

    def _symbolic_pairs(self, teacher, student):
        outputs = [symbolic_outputs(model) for model in (teacher, student)]
        return [] if None in outputs else self._pairs(*outputs)

    def _pairs(self, teacher_outputs, student_outputs):
        keys = output_keys(student_outputs, self.output_names)
        unknown = [name for name in self.outputs or () if name not in keys]
        if unknown or (self.outputs is not None and not self.outputs):
            raise ValueError(
                "`outputs` must name outputs of the student. Received: "
                f"`outputs={self.outputs}`, where the student has "
                f"{list(keys)}."
            )
        teacher_keys = output_keys(teacher_outputs).values()
        pairs = []
        for position, (name, key) in enumerate(keys.items()):
            if self.outputs is not None and name not in self.outputs:
                continue
            if key not in teacher_keys:
                raise ValueError(
                    "`teacher` must return every distilled output, in the "
                    f"same structure as the student. Received: no `{name}` "
                    f"in the teacher's outputs, {teacher_outputs}, where the "
                    f"student's are {student_outputs}."
                )
            picked = (
                outputs if key is None else outputs[key]
                for outputs in (teacher_outputs, student_outputs)
            )
            pairs.append(_Pair(name, key, position, *picked))
        if self._on_logits:
            for pair in pairs:
                _check_logits_shapes(pair)
        return pairs


def symbolic_outputs(model):
    """A functional model's outputs; `None` where a model shows no graph."""
    if isinstance(model, keras.Sequential):
        return model.outputs[0]
    return model.output if getattr(model, "outputs", None) else None


def _check_names(outputs, output_names):
    names = output_keys(outputs, output_names)
    taken = [name for name in ("main", "distill") if name in names]
    if taken and len(names) > 1:
        raise ValueError(
            "`main_loss` and `distill_loss` are metrics of the `Distiller`, so "
            "no output may be named after them. Received: a student with the "
            f"outputs {list(names)}."
        )


def _chosen(pairs):
    teacher = {pair.name: pair.teacher for pair in pairs}
    student = {pair.name: pair.student for pair in pairs}
    if len(pairs) > 1:
        return teacher, student
    return pairs[0].teacher, pairs[0].student


def _check_logits_shapes(pair):
    teacher, student = tuple(pair.teacher.shape), tuple(pair.student.shape)
    if not same_shape(teacher, student):
        raise ValueError(
            "`teacher` and `student` must return logits of the same shape. "
            f"Received for the output `{pair.name}`: teacher "
            f"shape={teacher}, student shape={student}."
        )
    if len(student) < 2 or student[-1] == 1:
        raise ValueError(
            "A softmax needs two classes at least, on the last of two axes or "
            "more: a single logit distils nothing. Received for the output "
            f"`{pair.name}`: shape={student}."
        )
