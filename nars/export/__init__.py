"""A trained network in the formats people run: ONNX, checked against PyTorch."""

from nars.export.errors import ExportError, ParityError
from nars.export.onnx import OPSET, TOLERANCE, export_onnx, measure_onnx_latency

__all__ = ["OPSET", "TOLERANCE", "ExportError", "ParityError", "export_onnx", "measure_onnx_latency"]
