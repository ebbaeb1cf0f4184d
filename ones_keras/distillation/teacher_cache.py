"""A teacher's outputs of some training steps, kept on disk."""

import itertools
import json
import math
import pathlib
import shutil

import keras
import numpy as np
import tensorflow as tf

from ones_keras.distillation.check_logits import check_ends_in_logits
from ones_keras.distillation.distillation_term import symbolic_outputs
from ones_keras.distillation.lesson import Lesson
from ones_keras.distillation.lesson_files import (
    probe,
    read_lessons,
    write_lessons,
)
from ones_keras.distillation.model_digest import model_digest
from ones_keras.distillation.output_keys import output_keys
from ones_keras.distillation.top_logits import TopLogits
from ones_keras.validation import check_positive_int
from ones_keras.write_aside import remove_leftovers, write_aside

_STEPS_A_FILE = 64
_MANIFEST = "manifest.json"
# What the probes of one batch differ by from machine to machine, and far less
# than those of two batches do.
_ALIKE = 1e-3
# A message of protobuf has less than 2 GiB; beside the outputs it says little.
_MOST_BYTES = 2**31 - 2**16


class TeacherCache:
    """The teacher's logits of the first training steps, in a folder.

    A `Distiller` takes it in place of the teacher, which then runs once and
    not for every student and epoch. The students see these steps again and
    again: the same examples with the same augmentation.

    Args:
        folder: str or path. It is made. One that is there is gone on with, or
            found complete, if it is of the same teacher, steps, outputs,
            `top_k`, `temperature` and `data`.
        teacher: `keras.Model`. Returns logits: a tensor, or a dict of them.
        steps: int. How many batches.
        data: dict. What the batches are made of, such as `{"dataset":
            "digits", "seed": 0}`, to be compared with what the folder is of.
            Defaults to `None`.
        outputs: string or list of strings. Keys of the outputs that are
            distilled, of a dict. Defaults to `None`, all of them.
        top_k: int or `None`. Keep so many of the greatest logits of each
            position, and one number for all others. Defaults to `None`, all
            logits.
        temperature: float. Of the distillation: with `top_k`, what the others
            have in sum is right at this one. Defaults to `1.0`.

    Raises:
        ValueError: If the folder is of something else or damaged, or an
            argument is out of its range.

    Example:

    ```python
    digits = ones_keras.data.load_image_dataset("digits")
    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=10, num_layers=1
    )
    cache = ones_keras.TeacherCache("teacher_cache", teacher, steps=4)

    def batches(start_step):
        return digits.train(32, seed=0, start_step=start_step)

    cache.fill(batches)
    student = ones_keras.gather(teacher, method="average")
    distiller = ones_keras.Distiller(cache, student, alpha=0.25)
    distiller.compile(
        optimizer="adamw",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    distiller.fit(
        cache.lessons(batches), steps_per_epoch=4, epochs=2, shuffle=False
    )
    ```
    """

    def __init__(
        self,
        folder,
        teacher,
        steps,
        data=None,
        outputs=None,
        top_k=None,
        temperature=1.0,
    ):
        check_positive_int("steps", steps)
        if not 0 < temperature < math.inf:
            raise ValueError(
                "`temperature` must be positive. Received: "
                f"`temperature={temperature}`."
            )
        self.folder = pathlib.Path(folder)
        self.teacher = teacher
        self.steps = steps = int(steps)
        self.top_k = top_k
        self.temperature = temperature
        symbolic = symbolic_outputs(teacher)
        if symbolic is None:
            raise ValueError(
                "`teacher` must show its outputs, as functional models and "
                f"`Sequential` ones do. Received: {teacher}."
            )
        self._keys = _chosen_keys(symbolic, outputs)
        picked = self._picked(symbolic)
        for output in picked.values():
            check_ends_in_logits("teacher", output)
        self.classes = {key: out.shape[-1] for key, out in picked.items()}
        if top_k is not None:
            check_positive_int("top_k", top_k)
            if top_k >= min(self.classes.values()):
                raise ValueError(
                    "`top_k` must be less than the classes. Received: "
                    f"`top_k={top_k}`, classes {self.classes}."
                )
        self._manifest = {
            "teacher_sha256": model_digest(teacher),
            "steps": steps,
            "data": json.loads(json.dumps(data or {})),
            "outputs": sorted(map(str, self._keys)),
            "top_k": top_k,
            "temperature": temperature if top_k else None,
            "specs": None,
            "files": {},
        }
        self._restore()

    @property
    def is_complete(self):
        """Whether all steps are there."""
        return len(self._manifest["files"]) == len(self._starts())

    def size(self, inputs):
        """Bytes that the outputs of all steps take on disk.

        Args:
            inputs: The `element_spec` of a batch's inputs, of static shapes.

        Raises:
            ValueError: If those of one batch are too large for a file.
        """
        record = self._record_bytes(inputs)
        if record > _MOST_BYTES:
            raise ValueError(
                "The outputs of a batch must take less than 2 GiB: choose "
                f"smaller batches or a smaller `top_k`. Received: {record:,} "
                f"bytes, `top_k={self.top_k}`."
            )
        return self.steps * record

    def check_room(self, inputs):
        """Raises a `ValueError` if the outputs that are missing do not fit.

        Args:
            inputs: The `element_spec` of a batch's inputs, of static shapes.
        """
        missing = self.size(inputs) - sum(self._manifest["files"].values())
        # What is to be made lies in the nearest folder that is there.
        path = self.folder.absolute()
        nearest = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(nearest).free
        if missing > free:
            raise ValueError(
                f"The outputs of `steps={self.steps}` do not fit on the disk "
                f"of {self.folder}: {missing:,} bytes are missing. Received: "
                f"{free:,} bytes free."
            )

    def fill(self, batches, progress=None):
        """Runs the teacher on the steps that are missing.

        Args:
            batches: callable. Given a number of steps, it returns a dataset of
                the batches after them, `(x, y)` or `(x, y, sample_weight)`,
                all of the same shapes.
            progress: callable or `None`. Is given the steps done. Defaults to
                `None`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        examples, following = iter(()), None
        for start in self._starts():
            if str(start) in self._manifest["files"]:
                continue
            if start != following:
                # Once, as a stream of text is read up to its place.
                dataset = batches(start)
                _check_static(dataset.element_spec)
                self.check_room(dataset.element_spec[0])
                examples = iter(dataset)
            following = min(start + _STEPS_A_FILE, self.steps)
            path = self._path(start)
            own = itertools.islice(examples, following - start)
            write_lessons(path, self._taught(own, start, following, progress))
            self._manifest["files"][str(start)] = path.stat().st_size
            with write_aside(self.folder / _MANIFEST) as aside:
                aside.write_text(json.dumps(self._manifest, indent=1) + "\n")

    def lessons(self, batches, start_step=0):
        """Batches with the teacher's outputs, for `Distiller.fit`.

        Args:
            batches: callable, as in `fill`.
            start_step: int. Training steps done. Defaults to `0`.

        Returns:
            An endless `tf.data.Dataset`: after the last of the steps comes the
            first one again. It fails where a batch is not the one that the
            teacher was given.
        """
        if not self.is_complete:
            raise ValueError(
                f"The teacher's outputs in {self.folder} are not complete: "
                "call `fill` first. Received: "
                f"{len(self._manifest['files'])} files of "
                f"{len(self._starts())}."
            )
        _check_static(batches(0).element_spec)
        within = start_step % self.steps
        whole = self._once(batches, 0).repeat()
        if within:
            whole = self._once(batches, within).concatenate(whole)
        return whole.prefetch(2)

    def _record_bytes(self, inputs):
        outputs = self.teacher.compute_output_spec(
            tf.nest.map_structure(
                lambda spec: keras.KerasTensor(spec.shape, spec.dtype.name),
                inputs,
            )
        )
        found = 0
        for output in self._picked(outputs).values():
            _, *positions, classes = output.shape
            # A logit, or those kept with their classes and that of the rest.
            kept = 2 * self.top_k + 1 if self.top_k else classes
            found += 4 * math.prod(positions) * kept
        # Which some layers have forgotten in their outputs.
        return found * tf.nest.flatten(inputs)[0].shape[0]

    def _once(self, batches, start):
        first = start // _STEPS_A_FILE
        paths = [self._path(each) for each in self._starts()[first:]]
        specs = [(shape, dtype) for shape, dtype in self._manifest["specs"]]
        kept = read_lessons(paths, specs, start - first * _STEPS_A_FILE)
        found = tf.data.Dataset.zip(
            batches(start).take(self.steps - start), kept
        )
        return found.enumerate(start).map(
            self._lesson, num_parallel_calls=tf.data.AUTOTUNE
        )

    def _lesson(self, step, found):
        (x, y, *weights), (expected, arrays) = found
        alike = tf.reduce_all(tf.abs(probe(x) - expected) < _ALIKE)
        with tf.control_dependencies(
            [
                tf.cond(
                    alike,
                    lambda: True,
                    lambda: tf.numpy_function(self._refuse, [step], "bool"),
                )
            ]
        ):
            y = tf.nest.map_structure(tf.identity, y)
        return x, Lesson(y, self._structure(arrays)), *weights

    def _refuse(self, step):
        raise ValueError(
            f"The batch of step {step} is not the one that the teacher was "
            f"given for {self.folder}: data, order or augmentation are others."
        )

    def _taught(self, batches, start, end, progress):
        step = start
        for x, *_ in batches:
            x = tf.nest.map_structure(np.asarray, x)
            outputs = self._picked(self.teacher.predict_on_batch(x))
            arrays = []
            for output in outputs.values():
                kept = [output]
                if self.top_k is not None:
                    kept = TopLogits.of(output, self.top_k, self.temperature)
                    kept = map(keras.ops.convert_to_numpy, kept)
                arrays += [np.asarray(array) for array in kept]
            if self.top_k is None:
                arrays = [array.astype("float32") for array in arrays]
            self._check_specs([[[*a.shape], str(a.dtype)] for a in arrays])
            yield probe(x).numpy(), arrays
            step += 1
            if progress:
                progress(step)
        if step < end:
            raise ValueError(
                f"The batches must go on for `steps={self.steps}`. Received: "
                f"{step} of them."
            )

    def _check_specs(self, specs):
        if self._manifest["specs"] is None:
            self._manifest["specs"] = specs
        if self._manifest["specs"] != specs:
            raise ValueError(
                "All batches must have the same shapes. Received: outputs of "
                f"{specs} after {self._manifest['specs']}."
            )

    def _structure(self, arrays):
        arrays = iter(arrays)
        kept = {
            key: next(arrays)
            if self.top_k is None
            else TopLogits(next(arrays), next(arrays), next(arrays))
            for key in self._keys
        }
        return kept.get(None, kept)

    def _picked(self, outputs):
        return {
            key: outputs if key is None else outputs[key] for key in self._keys
        }

    def _restore(self):
        path = self.folder / _MANIFEST
        if not path.exists():
            return
        try:
            found = json.loads(path.read_text())
            files, specs = found.pop("files"), found.pop("specs")
            before = {name: found[name] for name in self._identity()}
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"The manifest cannot be read ({error!r}). Received: {path}."
            ) from error
        differences = [
            f"{name} {before[name]!r}, now {value!r}"
            for name, value in self._identity().items()
            if before[name] != value
        ]
        if differences:
            raise ValueError(
                f"{self.folder} holds outputs of something else "
                f"({'; '.join(differences)}). Choose another folder, or remove "
                "it."
            )
        for start, size in files.items():
            path = self._path(int(start))
            if not path.exists() or path.stat().st_size != size:
                raise ValueError(
                    f"A file of the cache is damaged or gone; remove the "
                    f"folder to make it again. Received: {path}."
                )
        self._manifest |= {"files": files, "specs": specs}

    def _identity(self):
        return {
            name: value
            for name, value in self._manifest.items()
            if name not in ("files", "specs")
        }

    def _starts(self):
        return range(0, self.steps, _STEPS_A_FILE)

    def _path(self, start):
        return self.folder / f"steps_{start:08d}.tfrecord"


def _chosen_keys(symbolic, outputs):
    if outputs is None:
        return list(output_keys(symbolic).values())
    names = [outputs] if isinstance(outputs, str) else outputs
    known = [*symbolic] if isinstance(symbolic, dict) else []
    if not names or not set(names) <= set(known):
        raise ValueError(
            "`outputs` must be keys of the teacher's outputs, a dict. "
            f"Received: `outputs={outputs}`, where it has {known}."
        )
    return sorted(names)


def _check_static(spec):
    sizes = [part.shape for part in tf.nest.flatten(spec[0])]
    if not all(size.is_fully_defined() for size in sizes):
        raise ValueError(
            "All batches must have the same shapes, which are known "
            f"beforehand (`drop_remainder=True`). Received: inputs of {sizes}."
        )
