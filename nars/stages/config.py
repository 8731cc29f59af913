"""What a run is: one typed, validated document. Defaults are the paper's values.

Everything that decides the result is in `RunConfig`; how it is computed (device, workers) is in `Execution` and may
change between two starts of the same run.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from nars.data.run_folder import RunFolder, read_json, run_in
from nars.parallel import AUTO, resolve_device
from nars.space import Document, SpaceError, quantity, read_document, shipped, shorten
from nars.space.scalars import YesNo, among
from nars.stages.naming import fault_of_name


class ConfigError(ValueError):
    """A run configuration is not valid; one line per mistake with file, line, key, rule, what it got."""


def _quantity(value: Any) -> Any:
    """ "450M" and 450e6 alike; anything else is left for the type check to refuse."""
    if isinstance(value, str):
        try:
            return quantity(value)
        except SpaceError as error:
            raise ValueError(str(error)) from error
    return value


def _listed(value: Any) -> Any:
    """ "1M,2M" and a single 1M are lists too, as people write them on the command line."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        if "" in parts:
            raise ValueError(f"item {parts.index('') + 1} of the list is empty; write e.g. 1M,2M,4M")
        return parts
    return [value] if isinstance(value, (int, float)) else value


Quantity = Annotated[float, BeforeValidator(_quantity), Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Whole = Annotated[int, Field(ge=1)]


def _leaves(annotation: Any) -> Iterator[Any]:
    """The types and literal values that an annotation is made of."""
    parts = get_args(annotation)
    for part in parts:
        yield from _leaves(part)
    if not parts:
        yield annotation


class _Section(pydantic.BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _as_meant(cls, value: Any, field: pydantic.ValidationInfo) -> Any:
        """A plain yes or no of the file is a switch where a switch is asked for, else a word; 1e2 is 100."""
        kinds = set(_leaves(cls.model_fields[str(field.field_name)].annotation))
        if isinstance(value, YesNo):
            return value.truth if kinds & {bool, True, False} else str(value)
        if isinstance(value, list):
            return among(value)
        return int(value) if int in kinds and isinstance(value, float) and value.is_integer() else value


class Data(_Section):
    """Which images, and how they are split and augmented."""

    name: str
    """digits, fashion-mnist, cifar10, or imagefolder:PATH."""
    root: str | None = None
    """Folder that holds the data set; NARS_DATA or a download when absent."""
    validation: Annotated[float, Field(gt=0.0)] = 0.2
    """Held out of the training images, a share (below 1) or a number of images (paper: 10,000); every accuracy of the
    search is measured on these."""
    max_train: Whole | None = None
    """Use a stratified subset of at most so many training images during the search."""
    search_classes: Annotated[int, Field(ge=2)] | None = None
    """Search on so many random classes (paper: 200 of ImageNet's 1,000); final training has all."""
    streaming: Literal[True, False, "auto"] = "auto"
    """Read the images of a folder from their files whenever they are needed instead of holding them in memory; auto:
    if they would take more than a quarter of it. No result depends on it."""
    flip: bool = True
    """Horizontal flips; off where left and right mean something (digits, text)."""
    crop: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.125
    """Random crops of the image enlarged by this share of its side on each side."""


class FlopsRange(_Section):
    """Where stage 2 looks (paper: 400M to 800M multiply-accumulates)."""

    low: Quantity = 400e6
    high: Quantity = 800e6

    @model_validator(mode="after")
    def _ordered(self) -> FlopsRange:
        if self.low >= self.high:
            raise ValueError(f"low must be below high, got {shorten(self.low)} and {shorten(self.high)}")
        return self


class Pretraining(_Section):
    """Stage 1."""

    pool: Annotated[int, Field(ge=16)] = 20_000
    """Sobol points: architecture-recipe pairs labelled with free statistics (paper: 20,000)."""
    preset: Literal["paper", "default"] = "default"
    """The predictor: the paper's own settings, or those that our benchmarks prefer."""


class Collect(_Section):
    """Stage 2, constrained iterative optimisation."""

    rounds: Whole = 5
    """T (paper: 5 joint, 4 recipe-only)."""
    per_round: Annotated[int, Field(ge=2)] = 48
    """m, candidates per round and FLOPs bins (paper: 48)."""
    epochs: Annotated[int, Field(ge=2)] = 150
    """Epochs of the first round (paper: 150)."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 5
    """Epochs over which the learning rate rises to its start value."""
    schedule: Literal["exponential", "cosine"] = "exponential"
    """exponential: x `decay` per epoch as in the paper; cosine: for trainings of few epochs."""
    decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.963
    """Learning rate factor per epoch (paper: 0.963 during the search)."""
    batch_size: Whole = 256
    """Images per step."""
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99985
    """Decay of the averaged weights (paper: 0.99985 ImageNet, 0.999 CIFAR-10)."""
    stop_correlation: Annotated[float, Field(gt=0.0, le=1.0)] = 0.92
    """Rank correlation with the final accuracy at which later rounds stop training (paper: 0.92)."""
    keep: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Share of the pool that stays after each round: the best predicted of each FLOPs bin."""
    trial_seconds: Annotated[float, Field(gt=0)] | None = None
    """Longest that one training may take; beyond it the outcome is `timeout`."""
    trial_gigabytes: Annotated[float, Field(gt=0)] | None = None
    """Most memory that one training may take, images and libraries apart; beyond it the outcome is `out_of_memory`. On
    Linux, and not for the memory of a GPU, which has an end of its own."""
    amp: bool = False
    """Compute in bfloat16: for GPUs."""
    compile: bool = False
    """Compile each network first (torch.compile): pays on GPUs where a training takes many times longer than that."""
    asynchronous: bool = False
    """Do not wait for the end of a round (the paper does): a new candidate as soon as a worker is free."""
    refit_every: Annotated[int, Field(ge=2)] | None = None
    """Asynchronous only: trainings from one fit of the predictor to the next; a quarter of `per_round` when absent."""

    @model_validator(mode="after")
    def _refitted_or_in_rounds(self) -> Collect:
        if self.refit_every is not None and not self.asynchronous:
            raise ValueError(
                "refit_every goes with asynchronous: true; rounds refit the predictor at their end. Leave it out"
            )
        return self


class Search(_Section):
    """Stage 3, predictor-based evolutionary search."""

    preset: Literal["paper", "default"] = "default"
    """The paper's adaptive genetic algorithm, or climbs by many exchanges at a time (`nars.search.climbing`)."""
    budgets: Annotated[tuple[Quantity, ...], Field(min_length=1, strict=False), BeforeValidator(_listed)] = (
        *(450e6, 550e6, 650e6, 750e6),
    )
    """FLOPs budgets; each gives one member of the family."""

    @field_validator("budgets", mode="after")
    @classmethod
    def _distinct(cls, budgets: tuple[float, ...]) -> tuple[float, ...]:
        twice = [shorten(budget) for budget, count in Counter(budgets).items() if count > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)} stands more than once; give each budget once")
        return budgets


class Final(_Section):
    """Final training: the largest member on labels, then all by distillation from it."""

    epochs: Annotated[int, Field(ge=1)] = 400
    """Epochs of each training (paper: 400)."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 5
    schedule: Literal["exponential", "cosine"] = "exponential"
    decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9875
    """Learning rate factor per epoch (paper: 0.9875 in final training)."""
    batch_size: Whole = 256
    """Images per step, over all processes together."""
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99985
    distillation: Share = 0.8
    """Weight of the teacher's answer; the labels have the rest (paper: 0.8 / 0.2)."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    policy: Literal["none", "autoaugment", "autoaugment-cifar10", "randaugment", "trivialaugment"] = "autoaugment"
    """Augmentation on top of crop and flip (paper: AutoAugment)."""
    erasing: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Probability of blanking a rectangle of a training image (random erasing)."""
    scale_learning_rate: bool = False
    """Multiply the searched learning rate by this batch size over that of the search (linear scaling, as in the
    paper)."""
    teacher: str = "largest"
    """largest: the largest member, trained on labels first (paper); a member's name such as 550M; timm:NAME; the folder
    of an exported member; or none, all train on labels alone."""
    teacher_weights: str | None = None
    """With a timm teacher: its weights in a file (safetensors, or what torch saved); timm's own, downloaded, when
    absent."""
    teacher_resolution: Whole | None = None
    """Images are resized to so many pixels for the teacher; a member's own when absent, for timm as they are."""
    accumulation: Whole = 1
    """Parts that a batch goes through the network in, to save memory."""
    amp: Literal["none", "bf16"] = "none"
    """bf16: compute in bfloat16 where that is safe; weights stay float32."""
    channels_last: bool = True
    """Channels innermost in memory, which most convolutions are faster on."""
    compile: bool = False
    """Train through torch.compile; the first steps take a minute longer."""
    watch: Annotated[tuple[Literal["tensorboard", "mlflow", "wandb"], ...], Field(strict=False)] = ()
    """Who gets the curves; TensorBoard's files go to tensorboard/ in the run folder."""

    @model_validator(mode="after")
    def _weights_have_a_network(self) -> Final:
        if self.teacher_weights is not None and not self.teacher.startswith("timm:"):
            raise ValueError("teacher_weights are those of a timm teacher; write teacher: timm:NAME, or leave them out")
        return self


class RunConfig(_Section):
    """One run from pool to report."""

    name: str
    """Name of the run; its folder is runs/NAME unless told otherwise."""
    about: str = ""
    space: str
    """A built-in space, or the path of a space file (relative to this file)."""
    data: Data
    seed: Annotated[int, Field(ge=0)] = 0
    flops: FlopsRange = FlopsRange()
    pretraining: Pretraining = Pretraining()
    collect: Collect = Collect()
    search: Search = Search()
    final: Final = Final()


class Execution(_Section):
    """How a run is computed; without influence on what comes out."""

    engine: Literal["processes", "in-process", "ray"] = "processes"
    workers: Annotated[int, Field(ge=0)] = 0
    """Trainings at once; 0 is one per core, or `per_gpu` per GPU."""
    per_gpu: Whole = 1
    """Trainings at once on one GPU: small networks leave most of one idle."""
    device: str = AUTO
    """auto (a GPU where there is one), cpu, cuda, cuda:N or mps."""
    address: str | None = None
    """Ray cluster to join; a local one when absent."""


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """Where the values of a configuration were written."""

    document: Document
    built_in: bool
    """Nobody is helped by a line of a file that came with the package."""
    options: Mapping[str, str]
    """Dotted key -> how it was given on the command line; the values that are not from the file."""

    def place(self, key: str) -> str:
        """The option, or file and line, that a key's value comes from; with the key, which alone means the package."""
        for given, option in self.options.items():
            if _within(key, given) or _within(given, key):
                if option == given:  # from Python
                    return key
                return f"--set {key}" if option == f"--set {given}" and _within(key, given) else f"{option} ({key})"
        return key if self.built_in else self.document.where(_path(key))


@dataclass(frozen=True, kw_only=True)
class Given:
    """A run configuration as somebody asked for it."""

    config: RunConfig
    notes: tuple[str, ...] = ()
    """What was chosen in place of values that belong to the built-in configuration's own images or space."""
    origin: _Origin = field(repr=False)
    adapted: tuple[str, ...] = ()
    """Dotted keys of these."""
    file_name: str = ""
    """The name in the configuration's file, where a run on other images is called after them."""

    def place(self, key: str) -> str:
        """Where the value of a dotted key, such as "search.budgets[0]", was written, for messages."""
        return self.origin.place(key)

    def begun_as(self, kept: Mapping[str, Any]) -> Given:
        """The same for a run that was begun with this configuration: what nobody asked for stays as it was.

        Args:
            kept: The configuration in its run.json, perhaps of an earlier version that chose other values.
        """
        content = self.config.model_dump(mode="json")
        for key in self.adapted:
            *parents, last = key.split(".")
            ours: Any = content
            theirs: Any = kept
            for parent in parents:
                ours, theirs = ours[parent], theirs.get(parent, {}) if isinstance(theirs, dict) else {}
            if isinstance(theirs, dict) and last in theirs:
                ours[last] = theirs[last]
        try:
            return replace(self, config=RunConfig.model_validate(content))
        except pydantic.ValidationError:  # of a version that is too different: the comparison says so
            return self


def execution(**settings: Any) -> Execution:
    """How to compute a run, checked; "auto" has become the device that it means here.

    Raises:
        ConfigError: unknown engine, negative number of workers, ...; one line per mistake.
        DeviceError: there is no such device.
    """
    try:
        made = Execution(**settings)
    except pydantic.ValidationError as error:
        lines = [f"--{str(fault['loc'][0]).replace('_', '-')}: {_message(fault)}" for fault in error.errors()]
        raise ConfigError("\n".join(lines)) from error
    if made.engine == "ray":  # the devices are the cluster's
        return made
    return made.model_copy(update={"device": resolve_device(made.device)})


def run_names() -> list[str]:
    """Names of the built-in run configurations."""
    return sorted(path.stem for path in _built_in())


def load_config(name: str | Path, overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """A run configuration by built-in name or path, or that of a run in a folder, whose space is the run's own copy.

    A built-in configuration's numbers of images, crop and flips are for its own images: with another `data.name` they
    are those of the built-in configuration for these images, else the defaults. So are FLOPs range and budgets with
    another `space`, where a built-in configuration searches that.

    Args:
        name: "digits", the path of a YAML file, or the folder of a run.
        overrides: dotted keys with new values, e.g. {"collect.rounds": 2}; checked like the file.

    Raises:
        ConfigError: unknown name, or mistakes in the file (one line each).
    """
    return read_config(name, overrides).config


def read_config(
    name: str | Path, overrides: Mapping[str, Any] | None = None, *, options: Mapping[str, str] | None = None
) -> Given:
    """The same, with what was chosen and where each value comes from.

    Args:
        name: as in `load_config`.
        overrides: as in `load_config`.
        options: dotted keys of overrides with the option of the command line that gave them, e.g.
            {"search.budgets": "--budgets"}; errors name it.

    Raises:
        ConfigError: as `load_config`.
    """
    path, built_in, overrides = Path(name), False, overrides or {}
    home = run_folder(name)
    if home is not None:
        return _given_by_run(home, overrides, options or {})
    if path.suffix not in (".yaml", ".yml"):
        path, built_in = shipped("space") / "runs" / f"{name}.yaml", True
    if not path.is_file():
        raise ConfigError(
            f"no run configuration {str(name)!r}; built in are {', '.join(run_names())}; or give a YAML file, or the "
            f"folder of a run (with run.json)"
        )
    document = _read(path)
    origin = _Origin(
        document=document, built_in=built_in, options={key: key for key in overrides} | dict(options or {})
    )
    content = document.content
    if not isinstance(content, dict):
        raise ConfigError(
            f"{document.source}: a run configuration is a mapping with name, space and data, got {content!r}"
        )
    file_name = str(content.get("name", ""))
    chosen: dict[str, Any] = {}
    notes: list[str] = []
    if built_in:
        for adapt in (_for_images, _for_space):
            values, note = adapt(content, overrides)
            chosen |= values
            notes += [note] if note else []
    config = _validated(content, chosen | dict(overrides), origin)
    if (fault := fault_of_name(config.name)) is not None:
        raise ConfigError(f"{origin.place('name')}: {fault}")
    beside = path.parent / config.space
    if Path(config.space).suffix in (".yaml", ".yml") and not Path(config.space).is_absolute() and beside.is_file():
        config = config.model_copy(update={"space": str(beside)})
    return Given(config=config, notes=tuple(notes), origin=origin, adapted=tuple(chosen), file_name=file_name)


def run_folder(name: str | Path) -> Path | None:
    """The folder of the run that is meant where a configuration is asked for; None if it is none.

    A built-in name is never a folder: write ./digits for a run in a folder of that name.
    """
    if str(name) in run_names():
        return None
    run = run_in(name)
    return None if run is None else run.path


def _given_by_run(home: Path, overrides: Mapping[str, Any], options: Mapping[str, str]) -> Given:
    run = RunFolder(home)
    content = read_json(run.run_file).get("config")
    if not isinstance(content, dict):
        raise ConfigError(f"{run.run_file} holds no configuration: it is not a run's file, or was edited. Put it back")
    origin = _Origin(
        document=Document(str(run.run_file), content, {}), built_in=False,
        options={key: key for key in overrides} | dict(options),
    )  # fmt: skip
    try:
        config = _validated(content, overrides, origin)
    except ConfigError as error:
        if overrides:
            raise
        wrote = read_json(run.run_file).get("versions", {}).get("nars", "an older one")
        raise ConfigError(
            f"{run.run_file} holds a configuration that this version cannot read ({error}); use the version that wrote "
            f"it, {wrote}"
        ) from error
    if "space" not in overrides and run.space_file.is_file():
        config = config.model_copy(update={"space": str(run.space_file)})
    return Given(config=config, origin=origin)


def _for_images(content: dict[str, Any], overrides: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """What a built-in configuration takes in place of its own data section with other images, and how to say it."""
    theirs, name = content["data"], overrides.get("data.name")
    if not isinstance(name, str) or name == theirs["name"]:
        return {}, ""
    own: dict[str, Any] = next(
        (other["data"] for other in map(_content, _built_in()) if other["data"]["name"] == name), {}
    )
    keys = [key for key in {**theirs, **own} if key not in ("name", "root") and f"data.{key}" not in overrides]
    values = {f"data.{key}": own.get(key, Data.model_fields[key].default) for key in keys}
    changed = {key: value for key in keys if (value := values[f"data.{key}"]) != theirs.get(key)}
    called = {key: value for key, value in _named_after(content, name).items() if key not in overrides}
    if not changed:
        return called, ""
    shown = ", ".join(f"{key} {_said(value)}" for key, value in changed.items())
    instead = ", ".join(f"{key} {_said(theirs[key])}" for key in changed if key in theirs)
    note = f"data: {shown} for {name}" + (f" (for {theirs['name']} it is {instead})" if instead else "")
    return values | called, f"{note}; change them with --set data.{next(iter(changed))}=..."


def _named_after(content: dict[str, Any], data: str) -> dict[str, Any]:
    """Name and description of a run on other images than the configuration's."""
    kind, _, folder = data.partition(":")
    if kind == "imagefolder":
        path = Path(folder)
        with suppress(RuntimeError):  # no home directory: looking for the folder says so
            path = path.expanduser()
        called = path.resolve().name if path.name in ("", "..") else path.name
        name = re.sub(r"[^\w.+-]+", "-", called).strip("-.") or "images"
        if name in run_names():  # which has a folder of its own
            name = f"{name}-{content['name']}"
        return {"name": name, "about": f"The images of {folder}, searched as {content['name']}."}
    return {"name": f"{data}-{content['name']}", "about": f"{data}, searched as {content['name']}."}


def _for_space(content: dict[str, Any], overrides: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """What a built-in configuration takes in place of its FLOPs range and budgets with another space."""
    space = overrides.get("space")
    own = next((other for other in map(_content, _built_in()) if other["space"] == space), None)
    if space == content["space"] or own is None:
        return {}, ""
    values: dict[str, Any] = {}
    if not any(_within(key, "flops") for key in overrides):
        values["flops"] = own["flops"]
    if not any(_within(key, "search.budgets") for key in overrides):
        values["search.budgets"] = own["search"]["budgets"]
    if not values:
        return {}, ""
    shown = {"flops": f"FLOPs range {own['flops']['low']} to {own['flops']['high']}",
             "search.budgets": f"budgets {', '.join(map(str, own['search']['budgets']))}"}  # fmt: skip
    return values, f"space: {' and '.join(shown[key] for key in values)} for {space}, as in nars run {own['name']}"


def _said(value: Any) -> str:
    if value is None:
        return "all"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:,}"


def _built_in() -> list[Path]:
    return sorted((shipped("space") / "runs").glob("*.yaml"))


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = _read(path).content
    return content


def _read(path: Path) -> Document:
    try:
        return read_document(path)
    except SpaceError as error:
        raise ConfigError(str(error)) from error


def _validated(content: dict[str, Any], overrides: Mapping[str, Any], origin: _Origin) -> RunConfig:
    for dotted, value in overrides.items():
        *parents, last = dotted.split(".")
        section = content
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise ConfigError(f"{dotted}: {parent} holds a value, not a section; give its own name")
        section[last] = value
    try:
        return RunConfig.model_validate(content)
    except pydantic.ValidationError as error:
        faults = error.errors()
        # A list without items that are right is called too short as well.
        told = [
            fault
            for fault in faults
            if fault["type"] != "too_short"
            or not any(len(other["loc"]) > len(fault["loc"]) and fault["loc"] == other["loc"][: len(fault["loc"])]
                       for other in faults)
        ]  # fmt: skip
        raise ConfigError("\n".join(_explain(origin, fault) for fault in told)) from error


def _explain(origin: _Origin, fault: Any) -> str:
    """One mistake in the house form: place, rule, what it got, what is allowed."""
    path = tuple(fault["loc"])
    place = origin.place(_dotted(path)) or origin.document.source
    if fault["type"] == "extra_forbidden":
        allowed = _keys_at(path[:-1])
        close = difflib.get_close_matches(str(path[-1]), allowed, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        return f"{place}: unknown key {path[-1]!r}; allowed are {', '.join(allowed)}{hint}"
    if fault["type"] == "missing":
        return f"{place}: {path[-1]!r} is missing; add it"
    return f"{place}: {_message(fault)}"


def _message(fault: Any) -> str:
    kind, got = fault["type"], fault["input"]
    message = fault["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if kind in ("model_type", "model_attributes_type"):
        message = f"takes keys of its own: {', '.join(_keys_at(tuple(fault['loc'])))}"
    elif kind == "too_short":
        message = "needs at least one value"
    message = message.replace("input should be", "must be", 1)
    shown = repr(got) if not isinstance(got, (dict, list, tuple)) else _kind(got)
    return message if f"got {shown}" in message else f"{message}; got {shown}"


def _kind(got: Any) -> str:
    return "a mapping" if isinstance(got, dict) else f"[{', '.join(map(str, got))}]"


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _path(key: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdecimal() else part for part in re.findall(r"[^.\[\]]+", key))


def _within(key: str, section: str) -> bool:
    """Whether a dotted key is this one or stands below it."""
    return _path(key)[: len(_path(section))] == _path(section)


def _keys_at(path: tuple[str | int, ...]) -> list[str]:
    model: Any = RunConfig
    for part in path:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if (
            field is None
            or not isinstance(field.annotation, type)
            or not issubclass(field.annotation, pydantic.BaseModel)
        ):
            return []
        model = field.annotation
    return sorted(model.model_fields)
