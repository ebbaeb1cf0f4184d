from ones_keras.distillation.distillation_term import symbolic_outputs
from ones_keras.distillation.output_keys import output_keys


def check_cache(cache, student, temperature, distillation, outputs):
    """Raises a `ValueError` where a cache has not what is to be distilled."""
    softened = distillation == "soft" and cache.top_k is not None
    if softened and temperature != cache.temperature:
        raise ValueError(
            "What a `TeacherCache` with `top_k` has of the other classes is "
            "right at one temperature. Received: "
            f"`temperature={temperature}`, where the cache was made with "
            f"`temperature={cache.temperature}`."
        )
    own = symbolic_outputs(student)
    if own is None:
        return
    keys = output_keys(own, getattr(student, "output_names", None))
    names = [outputs] if isinstance(outputs, str) else outputs or keys
    missing = [name for name in names if keys.get(name) not in cache.classes]
    if missing:
        raise ValueError(
            "The `TeacherCache` must have the outputs that are distilled. "
            f"Received: `outputs={outputs}`, of which it lacks {missing}; it "
            f"has {list(cache.classes)}."
        )
