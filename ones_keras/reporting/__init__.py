"""Results of several methods as a table, a picture and JSON."""

from ones_keras.reporting.curve_point import CurvePoint
from ones_keras.reporting.curve_report import CurveReport
from ones_keras.reporting.method_result import MethodResult
from ones_keras.reporting.report import Report, ReportRow

__all__ = ["CurvePoint", "CurveReport", "MethodResult", "Report", "ReportRow"]
