"""From the experts of a sparse teacher to the weights of a dense student."""

from ones_keras.gathering.calibration import Calibration
from ones_keras.gathering.expert_weights import DenseWeights, ExpertWeights
from ones_keras.gathering.gather import gather
from ones_keras.gathering.gathering_report import GatheringReport, LayerReport
from ones_keras.gathering.registry import METHODS, register_method

__all__ = [
    "METHODS",
    "Calibration",
    "DenseWeights",
    "ExpertWeights",
    "GatheringReport",
    "LayerReport",
    "gather",
    "register_method",
]
