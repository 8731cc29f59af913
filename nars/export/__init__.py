"""A trained network in the formats people run, each checked against PyTorch."""

from nars.export.card import Card, Int8, read_card
from nars.export.errors import ExportError, ParityError
from nars.export.int8 import quantise_member
from nars.export.layout import MemberConfig, load_member, read_config
from nars.export.member import export_member
from nars.export.onnx import OPSET, TOLERANCE, export_onnx, measure_onnx_latency
from nars.export.register import register
from nars.export.verify import FormatCheck, Verification, verify

__all__ = [
    "OPSET",
    "TOLERANCE",
    "Card",
    "ExportError",
    "FormatCheck",
    "Int8",
    "MemberConfig",
    "ParityError",
    "Verification",
    "export_member",
    "export_onnx",
    "load_member",
    "measure_onnx_latency",
    "quantise_member",
    "read_card",
    "read_config",
    "register",
    "verify",
]
