"""One trained member of a family, exported: a folder with everything that somebody else needs to run it."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from nars.export.card import CARD, Card, sha256
from nars.export.errors import ExportError, ParityError
from nars.export.fixed_input import LogitsHash, fixed_input
from nars.export.layout import ARCHITECTURE, CONFIG, INT8, ONNX, PROGRAM, RECIPE, STANDALONE, WEIGHTS, MemberConfig
from nars.export.onnx import allowed, encode_onnx, measure_onnx_latency, onnx_logits, open_onnx, require_onnx
from nars.export.program import capture, decode_program, encode_program, largest_difference, logits, reference
from nars.export.readme import write_card
from nars.export.standalone import standalone_source
from nars.files.atomic import write_bytes
from nars.images import ImageData, spread_over
from nars.network import count, measure_latency
from nars.parallel import processor_name
from nars.recipe import POLICY_FILE, ClassTable
from nars.space import AnyArchitecture, dump_yaml, family_of

_CHECKED_IMAGES = 256
"""Validation images that the exported forms are compared on; `verify` takes as many as it is given."""

_PACKAGES = ("nars", "torch", "timm", "onnx", "onnxruntime")
"""Those that have a hand in an export."""


def export_member(
    model: nn.Module,
    folder: str | Path,
    *,
    name: str,
    architecture: AnyArchitecture,
    recipe: Mapping[str, Any],
    data: ImageData,
    accuracy: Mapping[str, float],
    test_scores: Mapping[str, float] | None = None,
    test_classes: ClassTable | None = None,
    policy: Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Card:
    """Write a member's folder: weights, ONNX, `torch.export` program, standalone file, timm's config, YAML, card.

    Families whose networks are built by other code have no standalone file. Every file is whole or absent and the card
    comes last, so a folder that has one is complete.

    Args:
        model: The trained network, `build(architecture)` with its weights; it is left as it is.
        folder: Created when missing; an earlier export in it is replaced.
        name: As timm will know it: `timm_name(family, budget)`.
        architecture: What the model was built from.
        recipe: The settings it was trained with, plain values.
        data: What it was trained on, at the architecture's resolution; the exported forms are compared on its
            validation images.
        accuracy: The model's by split, percent: {"validation": ..., "test": ...}.
        test_scores, test_classes: As `MemberResult` has them, for the card.
        policy: The file of the distribution that its augmentation was drawn from; None where that did not change.
        progress: Called with the name of the file that is being made.

    Returns:
        The card, as written.

    Raises:
        ExportError: an extra is missing, the data do not fit the architecture, the two counts of the costs
            differ, or the model's logits are not finite.
        ParityError: an exported form is more than 1e-4 from the model in a logit.
    """
    require_onnx()
    folder = Path(folder)
    config = _config(name, architecture, data)
    original = reference(model)
    counted = count(original, architecture.resolution, architecture.in_channels)
    costs = family_of(architecture.family).architecture_costs(architecture) or counted
    computed = {key: costs[key] for key in counted if key in costs}
    if any(computed[key] != counted[key] for key in computed):
        raise ExportError(
            f"The model must be the one that the architecture describes: by arithmetic it costs {computed}, but "
            f"counted it is {counted}. Pass the architecture that it was built from."
        )
    images = config.normalize(data.validation.some(spread_over(data.validation, _CHECKED_IMAGES)))
    expected = logits(original, images)
    if not expected.isfinite().all():
        raise ExportError("The model must give finite logits; some are NaN or infinite, so its training diverged.")

    progress(PROGRAM)
    program = capture(original, images)
    content = {PROGRAM: encode_program(program, config.metadata())}
    progress(ONNX)
    content[ONNX] = encode_onnx(program, config.metadata())
    outputs = {
        PROGRAM: logits(decode_program(content[PROGRAM]), images),
        ONNX: onnx_logits(open_onnx(content[ONNX]), images),
    }
    differences = {file: largest_difference(values, expected) for file, values in outputs.items()}
    for file, difference in differences.items():
        if not difference <= allowed(expected):  # so written that NaN fails
            raise ParityError(file, difference, allowed(expected))
    content |= {
        WEIGHTS: save(original.state_dict(), metadata={"format": "pt"} | config.metadata()),
        CONFIG: json.dumps(config.to_dict(), indent=2).encode(),
        ARCHITECTURE: dump_yaml(architecture.to_dict()).encode(),
        RECIPE: dump_yaml(dict(recipe)).encode(),
    }
    if policy is not None:
        content[POLICY_FILE] = policy.read_bytes()
    if config.standalone:
        content[STANDALONE] = standalone_source(config).encode()
    for earlier in (CARD, INT8, POLICY_FILE):
        (folder / earlier).unlink(missing_ok=True)
    for file, data_bytes in content.items():
        write_bytes(folder / file, data_bytes)

    progress(CARD)
    fixed = logits(original, fixed_input(architecture.in_channels, architecture.resolution))[0]
    card = Card(
        name=name,
        architecture=architecture.to_dict(),
        recipe=dict(recipe),
        accuracy=dict(accuracy),
        data={
            **{"name": data.name, "fingerprint": data.fingerprint},
            **{"classes": config.classes, "mean": config.mean, "std": config.std},
            **({"multi_label": True} if config.multi_label else {}),
        },
        costs=costs,
        counted=counted,
        latency_ms={
            "eager": measure_latency(original, architecture.resolution, architecture.in_channels),
            "onnxruntime": measure_onnx_latency(folder / ONNX),
        },
        device=processor_name(),
        max_difference=differences,
        fixed_logits=tuple(fixed[:10].tolist()),
        logits_hash=LogitsHash.of(fixed),
        files={file: sha256(folder / file) for file in content},
        test_scores=dict(test_scores or {}),
        test_classes=test_classes,
        versions={"python": platform.python_version()} | {package: metadata.version(package) for package in _PACKAGES},
    )
    write_card(card, config, folder)
    return card


def _config(name: str, architecture: AnyArchitecture, data: ImageData) -> MemberConfig:
    given = (data.in_channels, data.resolution, len(data.classes))
    expected = (architecture.in_channels, architecture.resolution, architecture.classes)
    if given != expected:
        raise ExportError(
            f"The images must be those of the architecture, (channels, resolution, classes) = {expected}; got {given}. "
            f"Pass the data it was trained on, `data.at(architecture.resolution)`."
        )
    return MemberConfig(
        name=name,
        architecture=architecture,
        classes=data.classes,
        mean=tuple(data.mean.tolist()),
        std=tuple(data.std.tolist()),
        array_side=data.array_side,
        evaluation_crop=data.evaluation_crop,
        multi_label=data.multi_label,
    )
