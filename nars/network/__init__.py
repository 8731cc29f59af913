"""An architecture as a timm model: the classifier, the feature pyramid, what they cost and how long a batch takes."""

from nars.network.build import build, build_features
from nars.network.check import NetworkError
from nars.network.counts import count
from nars.network.latency import measure_latency

__all__ = ["NetworkError", "build", "build_features", "count", "measure_latency"]
