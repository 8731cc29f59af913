"""Run configurations, and the options of the command line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from drill_case import Case, Check, holds
from drill_images import photos

CONFIG = """name: mine
space: digits
data: {name: digits, validation: 0.25, flip: false, max_train: 240}
flops: {low: 0.11M, high: 0.4M}
pretraining: {pool: 256}
collect: {rounds: 2, per_round: 4, epochs: 2, warmup_epochs: 0, schedule: cosine, batch_size: 48, ema_decay: 0.9}
search: {budgets: [0.2M, 0.3M]}
final: {epochs: 2, warmup_epochs: 0, schedule: cosine, batch_size: 48, policy: none}
"""
ANY: Check = lambda outcome: ""  # noqa: E731


def configuration_cases() -> list[Case]:
    """All of them."""
    return [*_files(), *_keys(), *_options(), *_data(), *_folders()]


def _write(folder: Path, text: str = CONFIG) -> None:
    (folder / "mine.yaml").write_text(text, encoding="utf-8")


def _dry(name: str, *more: str, make: Callable[[Path], object] = _write, **expected: object) -> Case:
    return Case(name=f"run: {name}", make=make, do=("run", "mine.yaml", "--dry-run", *more), **expected)  # type: ignore[arg-type]


def _set(key: str, value: str, *says: str, works: Check | None = None, name: str = "") -> Case:
    return _dry(
        name or f"{key}={value}", "--set", f"{key}={value}", works=works, says=says or (() if works else (key,))
    )


def _files() -> list[Case]:
    def changed(old: str, new: str) -> Callable[[Path], None]:
        assert old in CONFIG
        return partial(_write, text=CONFIG.replace(old, new, 1))

    wrong: list[tuple[str, Callable[[Path], object], tuple[str, ...]]] = [
        ("an unknown key", changed("rounds: 2", "round: 2"), ("round", "mine.yaml:6")),
        ("an unknown section", changed("final:", "finale:"), ("finale", "mine.yaml:8")),
        ("no space", changed("space: digits\n", ""), ("space", "mine.yaml")),
        ("a space that is none", changed("space: digits", "space: digitz"), ("digitz",)),
        ("a space file that is none", changed("space: digits", "space: nosuch.yaml"), ("nosuch.yaml",)),
        ("a data set that is none", changed("name: digits,", "name: digitz,"), ("digitz",)),
        ("text for a number", changed("rounds: 2", "rounds: two"), ("rounds", "two", "mine.yaml:6")),
        ("half a round", changed("rounds: 2", "rounds: 1.5"), ("rounds", "1.5", "mine.yaml:6")),
        ("a negative number", changed("rounds: 2", "rounds: -1"), ("rounds", "-1", "mine.yaml:6")),
        ("low above high", changed("high: 0.4M", "high: 0.1M"), ("flops", "mine.yaml:4")),
        (
            "a range outside the space",
            partial(_write, text=CONFIG.replace("{low: 0.11M, high: 0.4M}", "{low: 8G, high: 9G}")),
            ("flops", "8G"),
        ),
        ("no budgets", changed("[0.2M, 0.3M]", "[]"), ("budgets", "mine.yaml:7")),
        ("a budget twice", changed("[0.2M, 0.3M]", "[0.2M, 200k]"), ("budgets",)),
        ("a budget of 0", changed("[0.2M, 0.3M]", "[0, 0.3M]"), ("budgets", "0")),
        ("a budget as text", changed("[0.2M, 0.3M]", "[small]"), ("budgets", "small")),
        ("a budget below the space", changed("[0.2M, 0.3M]", "[1k, 0.3M]"), ("budgets", "1k")),
        ("a name that leaves the folder", changed("name: mine", "name: ../../mine"), ("name", "../../mine")),
        ("a name with a slash", changed("name: mine", "name: a/b"), ("name", "a/b")),
        ("an empty name", changed("name: mine", "name: ''"), ("name",)),
        ("an empty file", partial(_write, text=""), ("mine.yaml",)),
        ("a list", partial(_write, text="- a\n"), ("mine.yaml",)),
        ("a bracket too few", partial(_write, text=CONFIG + "x: ["), ("mine.yaml",)),
        (
            "data as a word",
            changed("data: {name: digits, validation: 0.25, flip: false, max_train: 240}", "data: digits"),
            ("data", "digits", "mine.yaml:3"),
        ),
    ]
    return [
        *(_dry(f"file: {name}", make=make, says=says) for name, make, says in wrong),
        _dry("file: as it should be", works=ANY, says=("mine", "2 rounds")),
        Case(
            name="run: no such configuration", make=_write, do=("run", "digit", "--dry-run"), says=("digit", "digits")
        ),
        Case(name="run: no such file", make=_write, do=("run", "nosuch.yaml", "--dry-run"), says=("nosuch.yaml",)),
    ]


def _keys() -> list[Case]:
    return [
        _set("collect.rounds", "0", "rounds", "0"),
        _set("collect.per_round", "1", "per_round", "1"),
        _set("collect.per_round", "100000", "per_round"),
        _set("collect.epochs", "1", "epochs", "1"),
        _set("collect.warmup_epochs", "5", "warmup_epochs"),
        _set("collect.batch_size", "0", "batch_size", "0"),
        _set("collect.batch_size", "1", "batch_size"),
        _set("collect.batch_size", "100000", "batch_size"),
        _set("collect.schedule", "linear", "schedule", "linear"),
        _set("collect.ema_decay", "1.5", "ema_decay", "1.5"),
        _set("collect.keep", "0", "keep", "0"),
        _set("collect.decay", "2", "decay", "2"),
        _set("collect.stop_correlation", "92", "stop_correlation", "92"),
        _set("collect.refit_every", "4", "refit_every"),
        _set("collect.trial_seconds", "-1", "trial_seconds", "-1"),
        _set("pretraining.pool", "2", "pool", "2"),
        _set("pretraining.preset", "best", "preset", "best"),
        _set("search.preset", "best", "preset", "best"),
        _set("final.epochs", "0", "epochs", "0"),
        _set("final.warmup_epochs", "9", "warmup_epochs"),
        _set("final.batch_size", "1", "final.batch_size"),
        _set("final.batch_size", "0", "batch_size", "0"),
        _set("final.batch_size", "100000", "final.batch_size"),
        _set("final.accumulation", "100", "accumulation"),
        _set("final.distillation", "1.5", "distillation", "1.5"),
        _set("final.label_smoothing", "1", "label_smoothing", "1"),
        _set("final.policy", "auto", "policy", "auto"),
        _set("final.teacher", "timm:nosuchmodel", "teacher", "nosuchmodel"),
        _set("final.teacher", "nosuchfolder", "teacher", "nosuchfolder"),
        _set("final.teacher_weights", "w.pt", "teacher_weights"),
        _set("final.teacher", "0.9M", "teacher", "0.9M"),
        _set("final.watch", "[tensorbord]", "watch", "tensorbord"),
        _set("data.validation", "0", "validation", "0"),
        _set("data.validation", "5000", "data.validation", "5,000"),
        _set("data.validation", "-0.1", "validation", "-0.1"),
        _set("data.max_train", "0", "max_train", "0"),
        _set("data.max_train", "3", "max_train"),
        _set("data.search_classes", "1", "search_classes", "1"),
        _set("data.search_classes", "99", "search_classes"),
        _set("data.crop", "1", "crop", "1"),
        _set("seed", "-1", "seed", "-1"),
        _set("seed", "one", "seed", "one"),
        _set("search.budgets", "[100M]", "budgets", "100M"),
        _set("nosuch", "1", "nosuch"),
        _set("collect.nosuch", "1", "nosuch"),
        _set("collect", "3", "collect", "3"),
        _set("collect.rounds.more", "3", "collect.rounds"),
        _set("collect.rounds", "3", works=ANY, name="collect.rounds=3 is fine"),
        _set("final.decay", "9.875e-1", works=ANY, name="final.decay=9.875e-1 is fine"),
        _set("final.ema_decay", "1e-3", works=ANY, name="final.ema_decay=1e-3 is fine"),
        _dry("--set without a value", "--set", "collect.rounds", says=("collect.rounds",)),
        _dry("--set without a key", "--set", "=3", says=("=3",)),
        _dry("--set with a bracket too few", "--set", "search.budgets=[1", says=("search.budgets",)),
        _dry(
            "two mistakes at once",
            "--set",
            "final.batch_size=1",
            "--set",
            "final.warmup_epochs=9",
            says=("final.batch_size", "warmup_epochs"),
        ),
    ]


def _options() -> list[Case]:
    return [
        _dry("--budgets 1m", "--budgets", "1m", says=("budgets", "1m")),
        _dry("--budgets with an empty one", "--budgets", "0.2M,,0.3M", says=("budgets",)),
        _dry("--budgets empty", "--budgets", "", says=("budgets",)),
        _dry("--budgets negative", "--budgets=-1M", says=("budgets", "-1M")),
        _dry("--budgets text", "--budgets", "small", says=("budgets", "small")),
        _dry("--budgets twice", "--budgets", "0.2M,200k", says=("budgets",)),
        _dry("--budgets far above the space", "--budgets", "100M", says=("100M",)),
        _dry("--budgets far below the space", "--budgets", "1k", says=("budgets", "1k")),
        _dry("--budgets as numbers", "--budgets", "2e5,300000", works=holds("200k", "300k")),
        _dry("--budgets with blanks", "--budgets", "0.2M, 0.3M", works=holds("200k", "300k")),
        _dry("--budgets that share four digits", "--budgets", "291583,291584", works=ANY),
        _dry("--engine rya", "--engine", "rya", says=("engine", "rya")),
        _dry("--workers -1", "--workers", "-1", says=("workers", "-1")),
        _dry("--device cuda", "--device", "cuda", says=("cuda",)),
        _dry("--device gpu", "--device", "gpu", says=("gpu",)),
        _dry("--device cuda:7", "--device", "cuda:7", says=("cuda:7",)),
        _dry("--device mps", "--device", "mps", says=("mps",)),
        _dry("--per-gpu 0", "--per-gpu", "0", says=("per",)),
        _dry("--seed -1", "--seed", "-1", says=("seed", "-1")),
        _dry("--space nosuch", "--space", "nosuch", says=("nosuch",)),
        _dry("--space fbnetv3", "--space", "fbnetv3", says=("flops", "fbnetv3")),
        _dry("--space fcnet", "--space", "fcnet", says=("fcnet",)),
        _dry("--data nosuch", "--data", "nosuch", says=("nosuch",)),
        _dry("--data imagefolder:nosuch", "--data", "imagefolder:nosuch", says=("nosuch",)),
        _dry("--data imagefolder:", "--data", "imagefolder:", says=("imagefolder",)),
        _dry("--data of a file", "--data", "imagefolder:mine.yaml", says=("mine.yaml",)),
        _dry("--out a file", "--out", "mine.yaml", says=("mine.yaml",)),
        _dry(
            "a teacher's weights that are none",
            "--set",
            "final.teacher=timm:resnet18",
            "--set",
            "final.teacher_weights=nosuch.pt",
            says=("teacher_weights", "nosuch.pt"),
        ),
        _dry(
            "a teacher's weights of another kind",
            "--set",
            "final.teacher=timm:resnet18",
            "--set",
            "final.teacher_weights=mine.yaml",
            says=("teacher_weights", "mine.yaml"),
        ),
    ]


def _data() -> list[Case]:
    """Built-in configurations on a person's own photos."""

    def folder_of(each: int, *classes: str) -> Callable[[Path], object]:
        return lambda folder: photos(folder / "photos", classes=classes, each=each)

    sizes = ((8, "cat", "dog"), (40, "ant", "bee", "cow"), (100, "cat", "dog"))
    return [
        Case(
            name=f"data: {config} on {each * len(classes)} photos",
            make=folder_of(each, *classes),
            do=("run", config, "--data", "imagefolder:photos", "--dry-run"),
            works=holds(f"{len(classes)} classes", *(() if each > 8 else ("batch_size",))),
        )
        for config in ("digits", "fashion-mnist", "cifar10")
        for each, *classes in sizes
    ] + [
        Case(
            name="data: the README's own command",
            make=folder_of(60, "cat", "dog", "emu"),
            do=(
                "run",
                "fashion-mnist",
                "--data",
                "imagefolder:photos",
                "--out",
                "p",
                "--budgets",
                "1M,2M,4M",
                "--dry-run",
            ),
            works=holds("3 classes", "1M, 2M, 4M"),
        )
    ]


def _folders() -> list[Case]:
    """Commands on folders that hold no run, or not yet what they need."""
    commands = (
        ("report", "things"),
        ("swap", "things"),
        ("scale", "things", "--to", "1M"),
        ("search", "--predictor", "things", "--max-flops", "1M"),
        ("export", "digits", "--out", "things"),
        ("train", "digits", "--out", "things"),
    )
    places: dict[str, Callable[[Path], object]] = {
        "nothing": lambda f: None,
        "an empty folder": lambda f: (f / "things").mkdir(),
        "a folder of photos": lambda f: photos(f / "things"),
        "a file": lambda f: (f / "things").write_text("x"),
    }
    return [
        Case(name=f"folder: {' '.join(command[:2])} of {name}", make=make, do=command, says=("things",))
        for name, make in places.items()
        for command in commands
    ]
