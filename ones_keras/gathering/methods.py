"""Imports every method's module, which registers it."""

from ones_keras.gathering import (  # noqa: F401
    aligned_average,
    average,
    frequency_average,
    layer_fit,
    least_squares,
    matching_pursuit,
    select_experts,
    select_units,
    sum,
    svd,
    top_k,
)
