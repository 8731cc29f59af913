"""How small do trained networks become by `nars compress`, and what does that cost?

Command   python scripts/bench_compress.py --run runs/digits        (NARS_DATA: the folder that holds cifar10/)
Cost      about 5 minutes of one CPU core, no GPU, and 4 more where the run is not there yet (nars run digits)
Machine   milliseconds are those of the fastest fifth of the calls, which stands a busy machine
Expected  int8 points within 1 % of validation accuracy that are >= 3.5 x smaller than float32, on all three networks
Truth     each point is the ONNX file itself, run by ONNX Runtime; the test split is looked at for the table alone

Two members of the demo's family, and a network of the space cifar10 that is trained here for a few epochs on 4,000
images of CIFAR-10, in the over-fitting regime: its accuracy is what so few images allow. The float32 file that sizes
are compared with is the network as it was trained, written as compactly as the others (short names, no notes).

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from rich.console import Console

from nars.errors import ConfigError
from nars.export import MemberConfig, calibration_images, compacted, onnx_accuracy, read_config
from nars.files.atomic import write_json, write_text
from nars.images import ImageData, load_images
from nars.network import onnx_milliseconds
from nars.parallel import processor_name
from nars.report import FittingTable
from nars.run import Terminal, load_config
from nars.space import Bounds, dump_yaml, load_space, sobol
from nars.studies import Compressed, compress, train_other
from nars.studies.compression.limits import drop
from nars.studies.compression.measuring import Measured
from nars.studies.compression.results import HEADINGS

MEMBERS = ("250k", "500k")
RECIPE = {"learning_rate": 0.005, "optimizer": "rmsprop", "label_smoothing": 0.1, "weight_decay": 1e-5, "ema": True}
CIFAR = {"train": 4000, "val": 2000, "test": 2000}
EPOCHS = 10
MAX_DROP, SMALLER = 1.0, 3.5


def main() -> None:
    options = _options()
    started = time.process_time()
    torch.set_num_threads(1)
    run: Path = options.run
    if not (run / "family" / "family.json").is_file():
        subprocess.run([sys.executable, "-m", "nars", "run", "digits", "--out", str(run)], check=True)
    places = {f"digits {name}": run / "family" / name for name in MEMBERS}
    places["cifar10 2M"] = _trained_on_cifar(options.work)
    found = {
        name: compress(
            place,
            folder=options.work / name.replace(" ", "-"),
            max_drop=MAX_DROP,
            trainings=options.trainings,
            device="cpu",
            reporter=Terminal(),
        )
        for name, place in places.items()
    }
    networks = {name: _facts(one, places[name]) for name, one in found.items()}
    bits = _bits(places[f"digits {MEMBERS[0]}"])
    seconds = time.process_time() - started
    _write(options.out, found, networks, bits)
    console = Console(highlight=False)
    for one in found.values():
        console.print(FittingTable(HEADINGS, one.rows(), left=("model",)))
    print(
        json.dumps({"networks": networks, "bits": bits, "cpu_seconds": round(seconds), "processor": processor_name()})
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/digits"), help="finished run of the demo")
    parser.add_argument("--work", type=Path, default=Path("runs/bench-compress"), help="gets all that is made")
    parser.add_argument("--out", type=Path, default=Path("results/compress"), help="gets the table")
    parser.add_argument("--trainings", type=int, default=6, help="fine-tunings of each network")
    return parser.parse_args()


def _trained_on_cifar(work: Path) -> Path:
    """A network of about 2 M multiply-accumulates, trained by one recipe; done once."""
    images, folder = work / "images", work / "network"
    if (folder / "result.json").is_file():
        return folder
    _write_images(images)
    space = load_space("cifar10", classes=10, in_channels=3)
    row = sobol(space, 1, seed=3, bounds=Bounds({"flops": (1.8e6, 2.0e6)}))
    write_text(work / "architecture.yaml", dump_yaml(space.architectures(row)[0].to_dict()))
    write_text(work / "recipe.yaml", dump_yaml(RECIPE))
    final = {"final.epochs": EPOCHS, "final.warmup_epochs": 1, "final.batch_size": 64, "final.teacher": "none"}
    data = {"data.name": f"imagefolder:{images}", "data.max_train": None, "final.ema_decay": 0.99}
    train_other(
        load_config("cifar10", final | data),
        str(work / "architecture.yaml"),
        work / "recipe.yaml",
        folder=folder,
        resolution=None,
        device="cpu",
        reporter=Terminal(),
    )
    return folder


def _write_images(folder: Path) -> None:
    """A part of CIFAR-10 as files, each split from its own."""
    data = load_images("cifar10", resolution=32, validation_fraction=0.1, seed=0)
    for name, split in (("train", data.train), ("val", data.validation), ("test", data.test)):
        count = CIFAR[name]
        for number, (pixels, label) in enumerate(zip(split.images[:count], split.labels[:count], strict=True)):
            file = folder / name / data.classes[int(label)] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.moveaxis(pixels.numpy(), 0, 2)).save(file)


def _facts(found: Compressed, place: Path) -> dict[str, Any]:
    """What is to be shown of one network."""
    int8 = [one for one in found.front if one.int8 and drop(one, found.whole) <= MAX_DROP]
    best = min(int8, key=lambda one: one.bytes) if int8 else None
    shipped = place / "model.onnx"
    return {
        "float32": _brief(found.whole, found.whole),
        "exported_bytes": shipped.stat().st_size if shipped.is_file() else None,
        "only_int8": _brief(_only_int8(found), found.whole),
        "best_int8": None if best is None else _brief(best, found.whole),
        "reached": best is not None and found.whole.bytes / best.bytes >= SMALLER,
        "front": [_brief(one, found.whole) for one in found.front],
        "measured": found.measured,
    }


def _only_int8(found: Compressed) -> Measured:
    """All stages in int8, nothing pruned, whether or not it is on the front."""
    (name,) = [
        path
        for path in (found.folder / "measured").iterdir()
        if set(path.name.replace(".", "").replace("q0", "")) == set()
    ]
    return Measured.load(name)


def _brief(one: Measured, whole: Measured) -> dict[str, Any]:
    facts = asdict(one)
    kept = {key: facts[key] for key in ("name", "bytes", "latency_ms", "flops", "params", "sha256")}
    accuracy = {split: round(value, 2) for split, value in one.accuracy.items()}
    return kept | {
        "accuracy": accuracy,
        "smaller": round(whole.bytes / one.bytes, 2),
        "lost": round(drop(one, whole), 2),
    }


def _bits(member: Path) -> dict[str, dict[str, float]]:
    """What ONNX Runtime makes of a member's convolutions with weights of 8 and of 4 bits."""
    from onnxruntime import quantization

    config = read_config(member)
    data = load_images("digits", resolution=config.architecture.resolution, validation_fraction=0.25, seed=0)
    images = config.normalize(calibration_images(data))

    class Once(quantization.CalibrationDataReader):  # type: ignore[misc]  # untyped base
        def __init__(self) -> None:
            self._left = iter([{"images": images.numpy()}])

        def get_next(self) -> dict[str, Any] | None:
            return next(self._left, None)

    found = {"float32": _ran(member / "model.onnx", data, config)}
    with tempfile.TemporaryDirectory() as scratch:
        prepared, made = Path(scratch) / "prepared.onnx", Path(scratch) / "made.onnx"
        quantization.quant_pre_process(str(member / "model.onnx"), str(prepared), skip_symbolic_shape=True)
        for name, kind in (("int8", quantization.QuantType.QInt8), ("int4", quantization.QuantType.QInt4)):
            quantization.quantize_static(
                str(prepared),
                str(made),
                Once(),
                activation_type=quantization.QuantType.QUInt8,
                weight_type=kind,
                per_channel=True,
                reduce_range=name == "int8",
                op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            )
            found[name] = _ran(made, data, config)
    return found


def _ran(file: Path, data: ImageData, config: MemberConfig) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        settings, optimized = onnxruntime.SessionOptions(), Path(scratch) / "optimized.onnx"
        settings.optimized_model_filepath, settings.log_severity_level = str(optimized), 4
        onnxruntime.InferenceSession(str(file), settings, providers=["CPUExecutionProvider"])
        operators = [node.op_type for node in onnx.load(optimized).graph.node]
    return {
        "bytes": len(compacted(file.read_bytes())),
        "ms": round(min(onnx_milliseconds(file)), 3),
        "validation": round(onnx_accuracy(file, data.validation, config.normalize), 2),
        "integer_convolutions": operators.count("QLinearConv"),
        "float_convolutions": operators.count("Conv"),
    }


def _write(
    folder: Path, found: dict[str, Compressed], networks: dict[str, Any], bits: dict[str, dict[str, float]]
) -> None:
    lines = [
        "# How small do trained networks become?\n",
        f"`python scripts/bench_compress.py` on {processor_name()}, Python {platform.python_version()}, torch "
        f"{torch.__version__.partition('+')[0]}, ONNX Runtime {onnxruntime.__version__}, one thread. Every row is an "
        f"ONNX file as ONNX Runtime runs it; `front.json` has their SHA-256.\n",
    ]
    lines += [_summary(networks)]
    for name, one in found.items():
        facts = networks[name]
        lines += [f"## {name}\n", _table(HEADINGS, one.rows()), f"\n{_verdict(facts)}\n"]
    legend = next(iter(found.values())).legend.partition(". ")[2]
    lines += [legend.replace("Names have", "\nNames have", 1), ""]
    lines += [_about_bits(bits), ""]
    write_text(folder / "README.md", "\n".join(lines))
    write_json(folder / "front.json", {"networks": networks, "bits": bits})


def _about_bits(bits: dict[str, dict[str, float]]) -> str:
    headings = ("weights", "bytes", "ms", "valid.", "integer convolutions", "float convolutions")
    counts = ("integer_convolutions", "float_convolutions")
    rows = [
        (name, f"{one['bytes']:,}", f"{one['ms']:g}", f"{one['validation']:.2f}", *(f"{one[key]:g}" for key in counts))
        for name, one in bits.items()
    ]
    return (
        "## 4-bit weights\n\nONNX Runtime runs them for convolutions, but not as integers: it has no such kernel, "
        "keeps the convolutions in float and unpacks their weights at every call. So they are no choice of the search. "
        f"Of digits {MEMBERS[0]}, weights quantised by channel, activations in 8 bits; the last two columns are what "
        f"is in the graph that ONNX Runtime makes of the file:\n\n{_table(headings, rows)}"
    )


def _summary(networks: dict[str, Any]) -> str:
    headings = (
        "network",
        "float32",
        "int8, unpruned",
        f"best int8 within {MAX_DROP:g} %",
        "smaller",
        "ms",
        "lost",
        "test",
    )
    rows = []
    for name, facts in networks.items():
        whole, plain, best = facts["float32"], facts["only_int8"], facts["best_int8"]
        if best is not None:
            test = f"{best['accuracy']['test']:.2f} ({whole['accuracy']['test']:.2f})"
            ms = f"{best['latency_ms']:g} ({whole['latency_ms']:g})"
            last = (f"{best['bytes']:,}", f"{best['smaller']:.2f}x", ms, f"{best['lost']:+.2f}", test)
            rows.append((name, f"{whole['bytes']:,}", f"{plain['bytes']:,}", *last))
    return (
        f"{_table(headings, rows)}\n\nBytes of files; in parentheses float32. Files so small are half graph: nodes, "
        "scales and zero points of the quantised layers. int8 makes these networks smaller and not faster: between the "
        "integer convolutions their hard-swish activations and gates compute in float, and each change of kind takes "
        "time. What makes them faster is pruning.\n"
    )


def _verdict(facts: dict[str, Any]) -> str:
    plain, best, whole = facts["only_int8"], facts["best_int8"], facts["float32"]
    text = (
        f"float32 as it was trained: {whole['bytes']:,} bytes, {whole['latency_ms']:g} ms. int8 without pruning: "
        f"{plain['bytes']:,} bytes ({plain['smaller']:.2f}x), {plain['latency_ms']:g} ms, {plain['lost']:+.2f} % lost."
    )
    if best is None:
        return f"{text} No int8 point is within {MAX_DROP:g} %."
    return (
        f"{text} Best int8 point within {MAX_DROP:g} %: {best['name']}, {best['bytes']:,} bytes "
        f"({best['smaller']:.2f}x), {best['latency_ms']:g} ms, {best['lost']:+.2f} % lost."
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [headings, ("---",) + ("---:",) * (len(headings) - 1), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


if __name__ == "__main__":
    try:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        main()
    except ConfigError as error:
        sys.exit(str(error))
