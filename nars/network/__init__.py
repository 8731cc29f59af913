"""An architecture as a timm model: the classifier, the feature pyramid, what they cost and how long a batch takes."""

from nars.network.build import build, build_features
from nars.network.check import NetworkError
from nars.network.counts import count
from nars.network.detection import PyramidBackbone
from nars.network.latency import measure_latency
from nars.network.registry import register_generic, register_network

__all__ = [
    "NetworkError",
    "PyramidBackbone",
    "build",
    "build_features",
    "count",
    "measure_latency",
    "register_generic",
    "register_network",
]
