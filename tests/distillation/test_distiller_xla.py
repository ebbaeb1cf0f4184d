"""An MoE teacher and its Distiller under XLA, which is what a TPU runs."""

import keras
import numpy as np
import pytest

import ones_keras


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="on JAX all training is compiled, on PyTorch none",
)
def test_xla_learns_what_graphs_learn(rng):
    """Static shapes, and no call of the host, or it would not compile."""
    images = rng.uniform(0, 255, size=(16, 8, 8, 1))
    labels = np.arange(16) % 10
    found = []
    for jit_compile in (True, False):
        keras.utils.set_random_seed(0)
        teacher = ones_keras.models.ViTImageClassifier.from_preset(
            "widenet_vit_tiny",
            num_classes=10,
            num_layers=1,
            router_noise=0,
            capacity_factor=1.2,
            mutual_distillation=0.1,
        )
        student = ones_keras.gather(teacher, method="average", verbose=False)
        histories = []
        for model in (teacher, ones_keras.Distiller(teacher, student)):
            model.compile(
                keras.optimizers.SGD(0.1),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                jit_compile=jit_compile,
            )
            histories.append(
                model.fit(
                    images, labels, batch_size=8, shuffle=False, verbose=0
                ).history
            )
        found.append((histories, teacher.get_weights() + student.get_weights()))
    (compiled, weights), (plain, expected) = found
    for one, other in zip(compiled, plain, strict=True):
        assert one.keys() == other.keys()
        for name, values in one.items():
            assert values == pytest.approx(other[name], rel=1e-4)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
