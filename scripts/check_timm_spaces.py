"""Whether the networks of a space of timm's are what it says: each is counted, built, exported to ONNX and compared.

    python scripts/check_timm_spaces.py finetune           # 22 networks at two sides: 15 minutes on a CPU core
    python scripts/check_timm_spaces.py finetune --write   # counts into space/costs/timm.json: 5 minutes

Weights are random: nothing is downloaded. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import torch

from nars.errors import UserError
from nars.export.onnx import checked_onnx
from nars.network import build, count, renew_statistics
from nars.space import Space, enumerate_architectures, load_space
from nars.space.families.timm.architecture import TimmArchitecture
from nars.space.families.timm.counted import SHIPPED, count_of

_IMAGES = 16


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", help="of kind timm")
    parser.add_argument("--write", action="store_true", help="write the counts that come with nars")
    arguments = parser.parse_args()
    space = load_space(arguments.space)
    if arguments.write:
        _write(space)
    else:
        _check(space)


def _write(space: Space) -> None:
    sides = [int(side) for side in space.values("resolution")]
    path = Path(__file__).parent.parent / "space" / SHIPPED
    counts = json.loads(path.read_text(encoding="utf-8"))
    for model in map(str, space.values("model")):
        counts[model] = asdict(count_of(model, sides=sides))
        print(model, flush=True)
    lines = [f"{json.dumps(model)}: {json.dumps(counts[model])}" for model in sorted(counts)]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(json.dumps({"models": len(counts), "sides": sides}))


def _check(space: Space) -> None:
    networks: list[TimmArchitecture] = space.architectures(enumerate_architectures(space))
    ends = {min(network.resolution for network in networks), max(network.resolution for network in networks)}
    failed: dict[str, str] = {}
    worst = 0.0
    for network in networks:
        if network.resolution not in ends:
            continue
        start, name = time.perf_counter(), f"{network.model} {network.resolution}"
        model = build(network, seed=0, pretrained=False).eval()
        torch.manual_seed(0)
        images = torch.randn(_IMAGES, network.in_channels, network.resolution, network.resolution)
        with torch.no_grad():
            renew_statistics(model, [images])  # else what random weights compute may grow from layer to layer
        counted = count(model, network.resolution, network.in_channels)
        costs = space.family.architecture_costs(network)
        try:
            assert counted["flops"] == costs["flops"], "another number of multiply-accumulates than the space says"
            assert counted["params"] == costs["params"], "another number of parameters than the space says"
            encoded, difference = checked_onnx(model, images, {})
            worst = max(worst, difference)
            said = f"difference {difference:.1e}, {len(encoded) / 2**20:.1f} MiB"
        except (UserError, AssertionError, RuntimeError) as error:
            failed[name] = said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        print(f"{name}: {said}, {time.perf_counter() - start:.0f} s", flush=True)
    print(json.dumps({"space": space.name, "largest_difference": worst, "failed": failed}))


if __name__ == "__main__":
    main()
