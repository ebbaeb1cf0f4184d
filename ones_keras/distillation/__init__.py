"""Distil a teacher into a student: `Distiller` and its losses.

```python
import keras
import numpy as np
from ones_keras.distillation import Distiller

def classifier(width):
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(width, activation="gelu"),
            keras.layers.Dense(3),
        ]
    )

teacher, student = classifier(64), classifier(8)
distiller = Distiller(teacher, student, alpha=0.25, temperature=2.0)
distiller.compile(
    optimizer="adamw",
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
y = np.arange(32) % 3
distiller.fit(x, y, validation_data=(x, y), epochs=2, verbose=0)
student.save("student.keras")
```
"""

from ones_keras.distillation.distiller import Distiller
from ones_keras.distillation.hard_distillation_loss import HardDistillationLoss
from ones_keras.distillation.soft_distillation_loss import SoftDistillationLoss
from ones_keras.distillation.teacher_cache import TeacherCache

__all__ = [
    "Distiller",
    "HardDistillationLoss",
    "SoftDistillationLoss",
    "TeacherCache",
]
