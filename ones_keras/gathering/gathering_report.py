import dataclasses
import json

from ones_keras.metrics.agreement import TeacherAgreement
from ones_keras.write_aside import write_aside


@dataclasses.dataclass(frozen=True)
class LayerReport:
    """What became of one MoE layer.

    Attributes:
        name: string.
        num_experts: int.
        top_k: int.
        parameters: tuple of two ints, before and after.
        flops: tuple of two ints. Multiplications and additions of one token
            through the layer, before (router and `top_k` experts) and after.
        details: dict. What the method says: units or ranks kept.
        relative_error: float or `None`. `|student - MoE| / |MoE|` of the
            layer's output over the report's calibration tokens; `None` without
            calibration data, or where one of the two has no finite length.

    Example:

    ```python
    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=10
    )
    _, report = ones_keras.gather(teacher, "top_k", return_report=True)
    (layer,) = report.layers
    print(layer.name, layer.flops, layer.details["units"])
    ```
    """

    name: str
    num_experts: int
    top_k: int
    parameters: tuple[int, int]
    flops: tuple[int, int]
    details: dict
    relative_error: float | None = None


@dataclasses.dataclass(frozen=True)
class GatheringReport:
    """What `gather` did: print it, or write it as JSON.

    Attributes:
        method: string.
        options: dict. All options of the method, defaults included.
        layers: tuple of `LayerReport`.
        copied: tuple of strings. Layers whose weights were copied.
        fresh: tuple of strings. Layers of the student that keep their
            random initialisation.
        parameters: tuple of two ints. Of the whole model, before and after.
        report_tokens: int. Tokens a layer's error was measured on. Where
            the method was given calibration data, they are of the examples held
            out from it.
        agreement: `TeacherAgreement`, a dict of them or `None`. Of the
            student, before any training, with the teacher on the same examples;
            by the name of an output for a model with several. Padding is left
            out where an output has a prediction for each token of a MoE layer.
            `None` without calibration data, or without an output that is
            logits: those of a KerasHub backbone and of a softmax are not.

    Example:

    ```python
    teacher = ones_keras.models.ViTImageClassifier.from_preset(
        "widenet_vit_tiny", num_classes=10
    )
    _, report = ones_keras.gather(teacher, "svd", return_report=True)
    print(report.parameters, report.layers[0].details["up_rank"])
    report.save_json("report.json")
    ```
    """

    method: str
    options: dict
    layers: tuple[LayerReport, ...]
    copied: tuple[str, ...]
    fresh: tuple[str, ...]
    parameters: tuple[int, int]
    report_tokens: int = 0
    agreement: TeacherAgreement | dict[str, TeacherAgreement] | None = None

    def to_dict(self):
        """Returns the fields as a dictionary that `json` can write."""
        return dataclasses.asdict(self)

    def save_json(self, path):
        """Write the report to `path`, aside first and then renamed."""
        with write_aside(path) as aside:
            aside.write_text(json.dumps(self.to_dict(), indent=2) + "\n")

    def __str__(self):
        options = ", ".join(f"{k}={v}" for k, v in self.options.items())
        before, after = self.parameters
        lines = [
            f"gathered by {self.method}({options}): {before:,} -> {after:,} "
            f"parameters, {len(self.copied)} layers copied, "
            f"{len(self.fresh)} fresh"
        ]
        found = self.agreement or {}
        if isinstance(found, TeacherAgreement):
            found = {"": found}
        lines += [
            f"  agreement with the teacher before training"
            f"{name and f', {name}'}: {agreement}"
            for name, agreement in found.items()
        ]
        for layer in self.layers:
            flops = " -> ".join(f"{count:,}" for count in layer.flops)
            line = (
                f"  {layer.name}: {layer.num_experts} experts, top_k "
                f"{layer.top_k}, {layer.parameters[0]:,} -> "
                f"{layer.parameters[1]:,} parameters, {flops} FLOPs a token"
            )
            if layer.relative_error is not None:
                line += f", relative error {layer.relative_error:.3f}"
            lines.append(line)
            lines += [
                f"    {key}: {_short(value)}"
                for key, value in layer.details.items()
            ]
        return "\n".join(lines)


def _short(value):
    if isinstance(value, list):
        return " ".join(_short(item) for item in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)
