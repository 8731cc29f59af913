from .card import Card as Card, Int8 as Int8, read_card as read_card
from .compact import compacted as compacted
from .errors import ExportError as ExportError, ParityError as ParityError
from .int8 import (
    calibration_images as calibration_images,
    encode_int8 as encode_int8,
    quantize_member as quantize_member,
)
from .layout import MemberConfig as MemberConfig, load_member as load_member, read_config as read_config
from .member import export_member as export_member
from .onnx import (
    OPSET as OPSET,
    TOLERANCE as TOLERANCE,
    checked_onnx as checked_onnx,
    export_onnx as export_onnx,
    measure_onnx_latency as measure_onnx_latency,
    onnx_accuracy as onnx_accuracy,
    require_onnx as require_onnx,
)
from .parity import (
    FormatCheck as FormatCheck,
    Verification as Verification,
    compared_on as compared_on,
    verify as verify,
)
from .registering import register as register, timm_name as timm_name, timm_names as timm_names
