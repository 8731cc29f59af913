"""An architecture as a timm model: the classifier, the feature pyramid, and how long a batch takes."""

from nars.network.build import build, build_features
from nars.network.check import NetworkError
from nars.network.latency import measure_latency

__all__ = ["NetworkError", "build", "build_features", "measure_latency"]
