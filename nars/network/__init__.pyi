from .build import build as build, build_features as build_features
from .check import NetworkError as NetworkError
from .counts import count as count
from .detection import PyramidBackbone as PyramidBackbone
from .registry import register_generic as register_generic, register_network as register_network
from .timing import measure_latency as measure_latency
