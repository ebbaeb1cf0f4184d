"""Results of several methods as a table, a picture and JSON."""

from ones_keras.reporting.method_result import MethodResult
from ones_keras.reporting.report import Report, ReportRow

__all__ = ["MethodResult", "Report", "ReportRow"]
