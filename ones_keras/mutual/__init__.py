"""MoDE: experts that teach each other, and what each of them knows alone."""

from ones_keras.mutual.expert_probe import ExpertProbe
from ones_keras.mutual.expert_similarity import expert_similarity
from ones_keras.mutual.mixture_of_models import MixtureOfModels
from ones_keras.mutual.output_similarity import output_similarity
from ones_keras.mutual.probe_experts import probe_experts

__all__ = [
    "ExpertProbe",
    "MixtureOfModels",
    "expert_similarity",
    "output_similarity",
    "probe_experts",
]
