def check_cache(cache, temperature, distillation, outputs):
    """Raises a `ValueError` where a cache has not what is to be distilled."""
    softened = distillation == "soft" and cache.top_k is not None
    if softened and temperature != cache.temperature:
        raise ValueError(
            "What a `TeacherCache` with `top_k` has of the other classes is "
            "right at one temperature. Received: "
            f"`temperature={temperature}`, where the cache was made with "
            f"`temperature={cache.temperature}`."
        )
    wanted = {outputs} if isinstance(outputs, str) else set(outputs or ())
    known = set(cache.classes)
    if None not in known and not wanted <= known:
        raise ValueError(
            "The `TeacherCache` must have the outputs that are distilled. "
            f"Received: `outputs={outputs}`, where it has {sorted(known)}."
        )
