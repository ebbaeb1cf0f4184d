"""Sizes as people say them."""


def byte_size(size):
    """Bytes with three digits and a unit: `"1.5 MB"`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}"
