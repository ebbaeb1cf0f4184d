"""Results of several methods as a table, a picture and JSON."""

from ones_keras.reporting.curve_point import CurvePoint
from ones_keras.reporting.curve_report import CurveReport
from ones_keras.reporting.draw_expert_load import draw_expert_load
from ones_keras.reporting.draw_learning_curves import draw_learning_curves
from ones_keras.reporting.method_result import MethodResult
from ones_keras.reporting.report import Report, ReportRow

__all__ = [
    "CurvePoint",
    "CurveReport",
    "MethodResult",
    "Report",
    "ReportRow",
    "draw_expert_load",
    "draw_learning_curves",
]
