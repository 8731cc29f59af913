from .building import build as build
from .counts import count as count
from .detection import PyramidBackbone as PyramidBackbone
from .errors import LatencyError as LatencyError, NetworkError as NetworkError
from .mbconv.models import build_features as build_features
from .mbconv.registry import (
    GENERIC as GENERIC,
    register_generic as register_generic,
    register_network as register_network,
)
from .pruning import (
    Layer as Layer,
    NetworkStage as NetworkStage,
    kept_channels as kept_channels,
    network_stages as network_stages,
    prunable_channels as prunable_channels,
    prune as prune,
    renew_statistics as renew_statistics,
    require_pruning as require_pruning,
)
from .runner import OnnxRunner as OnnxRunner, command_runner as command_runner, runner_of as runner_of
from .starting import Start as Start, read_start as read_start, start_from as start_from
from .timing import (
    measure_latency as measure_latency,
    onnx_milliseconds as onnx_milliseconds,
    onnx_session as onnx_session,
)
from .timm_models import weights_at_hand as weights_at_hand
