"""Every exported form of a member, loaded by its own runtime and compared with the weights."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from nars.export.card import read_card, sha256
from nars.export.errors import ExportError
from nars.export.fixed_input import fixed_input
from nars.export.layout import ONNX, PROGRAM, STANDALONE, load_member, read_config
from nars.export.onnx import allowed, onnx_logits, open_onnx
from nars.export.program import decode_program, largest_difference, logits, top1
from nars.images import Split, StreamedSplit, spread_over

_FROM_FILES = 2000
"""Images of a split that is not in memory that forms are compared on."""

_RUN_STANDALONE = """
import runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("nars", "timm", "torchvision", "safetensors"):
            raise ImportError(f"the standalone file must not need {name}")

sys.meta_path.insert(0, Refuse())
import torch
torch.set_num_threads(1)
model = runpy.run_path(sys.argv[1])["load"]()
images = torch.load(sys.argv[2], weights_only=True)
with torch.inference_mode():
    torch.save(torch.cat([model(part) for part in images.split(256)]), sys.argv[3])
"""

_RUN_TIMM = """
import sys
import timm, torch
import nars
torch.set_num_threads(1)
folder, name, given, computed = sys.argv[1:]
nars.register(folder)
images = torch.load(given, weights_only=True)
with torch.inference_mode():
    by_name, by_folder = (
        torch.cat([model(part) for part in images.split(256)])
        for model in (timm.create_model(known, pretrained=True).eval() for known in (name, f"local-dir:{folder}"))
    )
if not torch.equal(by_name, by_folder):
    sys.exit(f"by name it computes something else than by local-dir:{folder}")
torch.save(by_name, computed)
"""


@dataclass(frozen=True, kw_only=True)
class FormatCheck:
    """One exported form against the network that `load_member` gives."""

    form: str
    """File name, or "timm": `nars.register` and `timm.create_model`, by name and by "local-dir:FOLDER"."""
    max_difference: float
    """Largest difference of a logit, absolute; NaN when the form does not run."""
    accuracy: float
    """Top-1 in percent; NaN when the form does not run."""
    passed: bool
    """Within what is `allowed`, 1e-4 unless logits are large, and of equal top-1 accuracy."""
    message: str
    """Why it does not run, else empty."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """All forms of one member."""

    name: str
    images: int
    accuracy: float
    """Top-1 of the weights themselves, percent."""
    formats: tuple[FormatCheck, ...]
    changed: tuple[str, ...]
    """Files that are missing or not those that were exported, by their SHA-256 in the card."""
    same_logits: bool
    """Whether the logits of the fixed input are those of the card."""

    @property
    def passed(self) -> bool:
        """Nothing is wrong with any form."""
        return self.same_logits and not self.changed and all(check.passed for check in self.formats)


def compared_on(split: Split | StreamedSplit) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels of a split to `verify` with: all; of those that stay in their files some, from all of it."""
    if not isinstance(split, StreamedSplit):
        return split.images, split.labels
    rows = spread_over(split, _FROM_FILES)
    return split.some(rows), split.labels[torch.from_numpy(rows)]


def verify(folder: str | Path, images: torch.Tensor, labels: torch.Tensor) -> Verification:
    """Load each form with its own runtime and compare it with the weights in timm's network.

    The standalone file runs in a Python process of its own in which nars and timm cannot be imported, and timm in
    another, which does what a user does: register the folder and create the model by its name. All run at once.

    Args:
        folder: The folder of an exported member.
        images: uint8 (N, C, R, R), such as a test split; the member's own normalization is applied.
        labels: int64 (N,), or of several labels (N, classes) of 0 and 1.

    Raises:
        ExportError: the folder holds no complete export. What is wrong with a single form is in the result instead.
    """
    folder = Path(folder)
    card, config = read_card(folder), read_config(folder)
    original = load_member(folder)
    normalized = config.normalize(images)
    expected = logits(original, normalized)
    accuracy = top1(expected, labels)
    runtimes: dict[str, Callable[[], torch.Tensor]] = {
        ONNX: lambda: onnx_logits(open_onnx(folder / ONNX), normalized),
        PROGRAM: lambda: logits(decode_program(folder / PROGRAM), normalized),
    }
    programs: dict[str, tuple[Sequence[str | Path], str]] = {}
    if config.standalone:
        # -I: neither PYTHONPATH nor the current folder can lend it a package.
        file = folder / STANDALONE
        programs = {
            STANDALONE: (["-I", "-c", _RUN_STANDALONE, file], f"{file} does not run on PyTorch alone"),
            "timm": (["-c", _RUN_TIMM, folder, config.name], f"timm cannot load {config.name}"),
        }

    def check(form: str, run: Callable[[], torch.Tensor]) -> FormatCheck:
        try:
            computed = run()
        except Exception as error:  # foreign runtimes raise what they like about a damaged file
            nan = float("nan")
            message = f"{type(error).__name__}: {error}"
            return FormatCheck(form=form, max_difference=nan, accuracy=nan, passed=False, message=message)
        difference, reached = largest_difference(computed, expected), top1(computed, labels)
        passed = difference <= allowed(expected) and reached == accuracy
        return FormatCheck(form=form, max_difference=difference, accuracy=reached, passed=passed, message="")

    fixed = fixed_input(config.architecture.in_channels, config.architecture.resolution)
    with ThreadPoolExecutor() as side_by_side:  # processes that mostly load libraries, each on a core of its own
        begun = {
            form: side_by_side.submit(_computed, program, normalized, failure)
            for form, (program, failure) in programs.items()
        }
        runtimes |= {form: future.result for form, future in begun.items()}
        checks = tuple(check(form, run) for form, run in runtimes.items())
    return Verification(
        name=config.name,
        images=len(images),
        accuracy=accuracy,
        formats=checks,
        changed=tuple(
            file
            for file, digest in card.files.items()
            if not (folder / file).is_file() or sha256(folder / file) != digest
        ),
        same_logits=card.logits_hash.matches(logits(original, fixed)[0]),
    )


def _computed(program: Sequence[str | Path], images: torch.Tensor, failure: str) -> torch.Tensor:
    """The logits that a Python process of its own computes; it is told where the images are and where logits go."""
    with tempfile.TemporaryDirectory() as scratch:
        given, computed = Path(scratch) / "images.pt", Path(scratch) / "logits.pt"
        torch.save(images, given)
        ours = {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
        command = [sys.executable, *program, given, computed]
        run = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | ours)
        if run.returncode != 0:
            lines = run.stderr.strip().splitlines() or ["it ended without a word"]
            raise ExportError(f"{failure}: {lines[-1]}")
        result: torch.Tensor = torch.load(computed, weights_only=True)
        return result
