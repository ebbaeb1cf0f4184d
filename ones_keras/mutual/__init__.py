"""MoDE: experts that teach each other, and what each of them knows alone."""

from ones_keras.mutual.expert_probe import ExpertProbe
from ones_keras.mutual.expert_similarity import expert_similarity
from ones_keras.mutual.linear_cka import linear_cka
from ones_keras.mutual.mixture_of_models import MixtureOfModels
from ones_keras.mutual.probe_experts import probe_experts

__all__ = [
    "ExpertProbe",
    "MixtureOfModels",
    "expert_similarity",
    "linear_cka",
    "probe_experts",
]
