"""What a run is: one typed, validated document. Defaults are the paper's values.

Everything that decides the result is in `RunConfig`; how it is computed (device, workers) is in `Execution` and may
change between two starts of the same run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import inf, isinf
from typing import Annotated, Any, Literal, get_args

import pydantic
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    field_validator,
    model_validator,
)

from nars.errors import ConfigError
from nars.metric import ACCURACY, IMAGE_METRICS, Metric
from nars.parallel import AUTO, resolve_device
from nars.run.faults import faults_of
from nars.space import Bounds, SpaceError
from nars.space.files.scalars import YesNo, among


def _bounds(value: Any) -> Bounds:
    """As `Bounds.read` has it."""
    try:
        return Bounds.read(value)
    except SpaceError as error:
        raise ValueError(str(error)) from error


def _listed(value: Any) -> Any:
    """ "1M,2M" and a single 1M are lists too, as people write them on the command line."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        if "" in parts:
            raise ValueError(f"item {parts.index('') + 1} of the list is empty; write e.g. 1M,2M,4M")
        return parts
    return [value] if isinstance(value, (int, float, Mapping)) else value


def _flat(value: Any) -> Any:
    """{recipe: {optimizer: adamw}}, which --set writes, is {recipe.optimizer: adamw}."""
    if not isinstance(value, Mapping):
        return value
    flat: dict[str, Any] = {}
    for name, content in value.items():
        inner = _flat(content)
        flat |= {f"{name}.{key}": one for key, one in inner.items()} if isinstance(inner, Mapping) else {name: inner}
    return flat


Limits = Annotated[Bounds, PlainValidator(_bounds), PlainSerializer(lambda bounds: bounds.document)]
"""Bounds on costs, as files and command lines have them."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Ends = Annotated[tuple[float, float], Field(strict=False)]
Whole = Annotated[int, Field(ge=1)]


def _leaves(annotation: Any) -> Iterator[Any]:
    """The types and literal values that an annotation is made of."""
    parts = get_args(annotation)
    for part in parts:
        yield from _leaves(part)
    if not parts:
        yield annotation


class _Section(pydantic.BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

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
    """digits, fashion-mnist, cifar10, imagenet, or imagefolder:PATH."""
    root: str | None = None
    """Folder that holds the data set; NARS_DATA or a download when absent."""
    validation: Annotated[float, Field(gt=0.0)] = 0.2
    """Held out of the training images, a share (below 1) or a number of images (paper: 10,000); every accuracy of the
    search is measured on these."""
    group_column: str | None = None
    """Of a table of paths and labels, or of Parquet: the column whose equal values (a patient, a scene) keep images on
    one side of each split; of a table one that is called group, patient, subject, scene or session when absent."""
    near_copies: Literal["anywhere", "together"] = "anywhere"
    """together: images that are the same but for size, quality or format (hashes that differ in 28 of 256 bits at most)
    stay on one side of each split that is made here, as exact copies do in any case; of 20,000 images at most."""
    max_train: Whole | None = None
    """Use a stratified subset of at most so many training images during the search."""
    search_classes: Annotated[int, Field(ge=2)] | None = None
    """Search on so many random classes (paper: 200 of ImageNet's 1,000); final training has all."""
    streaming: Literal[True, False, "auto"] = "auto"
    """Read the images of a folder from their files whenever they are needed instead of holding them in memory; auto:
    if they would take more than half of it, together with the copies that the trainings at once make of them. No
    result depends on it."""
    flip: bool = True
    """Horizontal flips; off where left and right mean something (digits, text)."""
    cropping: Literal["pad", "resized"] = "pad"
    """Of training images. pad: by `crop`, for small ones; resized: a random part of the whole image by `scale` and
    `ratio`, resized to what the network takes (RandomResizedCrop), for photographs. A recipe that says `crop` pads."""
    crop: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.125
    """pad: random crops of the image enlarged by this share of its side on each side."""
    scale: Ends = (0.08, 1.0)
    """resized: least and largest share of the image's area."""
    ratio: Ends = (0.75, 4 / 3)
    """resized: least and largest width : height."""
    color: Share = 0.0
    """Of training images: brightness, contrast and saturation of each times a factor from 1 - color to 1 + color (color
    jitter; 0.4 is usual on ImageNet). A recipe whose `color` is above 0 has its own."""
    evaluation_crop: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Of validation and test images: they are resized so that the middle which is judged is this share of their side;
    0.875 judges 224 of 256 pixels. 1: the whole middle square."""

    @model_validator(mode="after")
    def _ends_in_order(self) -> Data:
        for name, most in (("scale", 1.0), ("ratio", inf)):
            low, high = getattr(self, name)
            if not 0.0 < low <= high <= most or isinf(high):
                limit = "" if isinf(most) else f", at most {most:g}"
                raise ValueError(f"{name} takes two numbers above 0, least and largest{limit}; got [{low:g}, {high:g}]")
        return self


class OwnTask(_Section):
    """A trainer of your own in place of ours: a function, a command or a loop, one of the three."""

    function: str | None = None
    """package.module:name, called as f(settings, epochs=..., seed=..., device=...); yields the metric after each
    epoch."""
    command: str | None = None
    """Such as "python train.py --settings {settings} --epochs {epochs} --seed {seed}"; prints a JSON line per epoch."""
    loop: str | None = None
    """A name for a loop of your own, which asks for candidates and tells their outcomes (`nars.open_loop`)."""
    data: str = ""
    """Name or version of the data that it trains on: samples of other data do not mix."""

    @model_validator(mode="after")
    def _one(self) -> OwnTask:
        if [self.function, self.command, self.loop].count(None) != 2:
            raise ValueError('takes images, or one of {function: "module:name"}, {command: "python ..."}, {loop: NAME}')
        return self


ImageMetric = Literal[
    "accuracy", "balanced_accuracy", "macro_f1", "top5", "auroc", "log_loss", "mean_average_precision"
]
"""One of `IMAGE_METRICS`."""


class OwnMetric(_Section):
    """What a trainer of your own measures."""

    name: str
    """Letters, digits and underscores: the key of its JSON lines, and its column in the store."""
    unit: str = ""
    """Such as "%"; values are shown with it."""
    goal: Literal["maximize", "minimize"] = "maximize"
    """Whether more or less of it is better."""
    low: float | None = None
    """Values below are a failed training."""
    high: float | None = None
    """Values above are a failed training."""

    @model_validator(mode="after")
    def _possible(self) -> OwnMetric:
        self.built()
        return self

    def built(self) -> Metric:
        """As everything else takes it."""
        from nars.store import check_metric  # brings pyarrow

        low, high = (end if given is None else given for given, end in ((self.low, -inf), (self.high, inf)))
        return check_metric(Metric(name=self.name, unit=self.unit, goal=self.goal, low=low, high=high))


class Pretraining(_Section):
    """Stage 1."""

    pool: Annotated[int, Field(ge=16)] = 20_000
    """Sobol points: architecture-recipe pairs labelled with free statistics (paper: 20,000)."""
    preset: Literal["paper", "default"] = "default"
    """The predictor: the paper's own settings, or those that our benchmarks prefer."""


class Collect(_Section):
    """Stage 2, constrained iterative optimization."""

    rounds: Annotated[int, Field(ge=0)] = 5
    """T: how often candidates are chosen, trained and learned from (paper: 5 joint, 4 recipe-only). 0: nothing is
    searched, `start` is the answer."""
    per_round: Annotated[int, Field(ge=2)] = 48
    """m: candidates trained in each round, one for each bin of FLOPs (paper: 48)."""
    epochs: Whole = 150
    """Epochs of the first round (paper: 150)."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 5
    """Epochs over which the learning rate rises to its start value."""
    schedule: Literal["exponential", "cosine", "linear"] = "exponential"
    """exponential: x `decay` per epoch as in the paper; cosine and linear reach 0 at the end: for trainings of few
    epochs. A recipe that says `schedule` has its own."""
    decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.963
    """Learning rate factor per epoch (paper: 0.963 during the search)."""
    batch_size: Whole = 256
    """Images per step."""
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99985
    """Decay of the averaged weights (paper: 0.99985 ImageNet, 0.999 CIFAR-10)."""
    ema_warmup: Literal[True, False, "auto"] = "auto"
    """Let the decay rise to `ema_decay`, so that a short training is not left with the average of its first weights;
    false: it is constant (paper). auto: it rises in trainings of fewer steps than 20 / (1 - ema_decay)."""
    stop_correlation: Annotated[float, Field(gt=0.0, le=1.0)] | None = 0.92
    """Rank correlation with the final accuracy at which later rounds stop training (paper: 0.92); without one, all are
    trained to their end."""
    propose: Literal["auto", "bins", "improvement"] = "auto"
    """bins: the best predicted of each bin of a cost (paper), for a family; improvement: the largest expected
    improvement on the best so far, for one candidate. auto: bins where there are budgets."""
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
    """Do not wait for the end of a round (the paper waits): a new candidate as soon as a worker is free."""
    refit_every: Annotated[int, Field(ge=2)] | None = None
    """Asynchronous only: trainings from one fit of the predictor to the next; a quarter of `per_round` when absent."""

    start: Annotated[dict[str, str | bool | int | float], BeforeValidator(_flat)] = {}
    """Candidate that stage 2 begins with, {setting: value} as the space has them (numbers: the nearest choice, what is
    left out: the middle one); half of the pool are then candidates near it."""

    @model_validator(mode="after")
    def _refitted_or_in_rounds(self) -> Collect:
        if self.refit_every is not None and not self.asynchronous:
            raise ValueError(
                "refit_every goes with asynchronous: true; rounds refit the predictor at their end. Leave it out"
            )
        return self


class Search(_Section):
    """Stage 3, predictor-based evolutionary search."""

    preset: Literal["paper", "default", "measured"] = "default"
    """The paper's adaptive genetic algorithm, or climbs by many exchanges at a time (`nars.search.climbing`); measured:
    nothing is predicted, the best that stage 2 has trained is the answer, for searches of a few trainings."""
    budgets: Annotated[tuple[Limits, ...], Field(strict=False), BeforeValidator(_listed)] = ()
    """Bounds on costs, such as [{flops: 450M, latency: 12ms}, {params: 5M}], plain numbers on FLOPs; each gives one
    member of the family (paper: 450M, 550M, 650M and 750M). The space's own when absent; without any, one member that
    no cost limits."""

    @field_validator("budgets", mode="after")
    @classmethod
    def _distinct(cls, budgets: tuple[Bounds, ...]) -> tuple[Bounds, ...]:
        for budget in budgets:
            if endless := [name for name, (low, high) in budget.limits.items() if not low and high == inf]:
                raise ValueError(f"a budget limits each cost that it names; {endless[0]} has no end, leave it out")
        twice = [str(budget) for budget, count in Counter(budgets).items() if count > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)} appears more than once; give each budget once")
        return budgets


class Scaled(_Section):
    """Members beyond the searched budgets, by compound scaling of the searched ones."""

    scale: Annotated[tuple[Limits, ...], Field(strict=False), BeforeValidator(_listed)] = ()
    """FLOPs budgets, such as [357M, 1.18G]: each gives one more member, scaled up or down from the smallest or the
    largest searched one, trained, exported and reported with the family (paper: A, F and G)."""

    @field_validator("scale", mode="after")
    @classmethod
    def _flops(cls, scale: tuple[Bounds, ...]) -> tuple[Bounds, ...]:
        for budget in scale:
            if list(budget) != ["flops"] or budget.limits["flops"][0] or not 0 < budget.high("flops") < inf:
                raise ValueError(f"takes FLOPs budgets above 0, such as [357M, 1.18G]; got {budget}")
        return scale


ONLINE = "online"
"""The augmentation policy that is learned while training."""

_POLICIES = ("none", "autoaugment", "autoaugment-cifar10", "randaugment", "trivialaugment")


def _policy(value: str) -> str:
    if value not in (*_POLICIES, ONLINE) and not value.endswith(".json"):
        raise ValueError(
            f"must be one of {', '.join(_POLICIES)}, {ONLINE}, or the policy.json of a training that has learned one; "
            f"got {value!r}"
        )
    return value


class Online(_Section):
    """Augmentation that is learned while training (final.policy: online)."""

    copies: Annotated[int, Field(ge=2)] = 4
    """Copies of the network, each with settings of its own; the training takes as many times as long."""
    chunk: Whole = 1
    """Epochs from one draw of settings to the next; then the best copy goes on as all of them. The reward looks no
    further ahead: short chunks favor weak augmentation, which pays at once (results/online)."""
    learning_rate: Annotated[float, Field(gt=0.0, le=10.0)] = 0.5
    """Of the distribution's logits, on rewards of deviation 1 over the copies."""


class Final(_Section):
    """Final training: the largest member on labels, then all by distillation from it."""

    epochs: Annotated[int, Field(ge=1)] = 400
    """Epochs of each training (paper: 400)."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 5
    """Epochs over which the learning rate rises to its start value."""
    schedule: Literal["exponential", "cosine", "linear"] = "exponential"
    """How the learning rate falls: x `decay` per epoch (paper: exponential), or to 0 at the end."""
    decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9875
    """Learning rate factor per epoch (paper: 0.9875 in final training)."""
    batch_size: Whole = 256
    """Images per step, over all processes together (paper: 2,048 on 8 nodes)."""
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99985
    """Decay of the averaged weights (paper: 0.99985 ImageNet, 0.999 CIFAR-10)."""
    ema_warmup: Literal[True, False, "auto"] = "auto"
    """As in `collect`."""
    distillation: Share = 0.8
    """Weight of the teacher's answer; the labels have the rest (paper: 0.8 / 0.2). 1 switches labels off: for
    augmentation so strong that they may no longer hold (KD + AA, arXiv 2003.11342)."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of the labels spread evenly over all classes; a recipe that says `label_smoothing` has its own."""
    policy: Annotated[str, AfterValidator(_policy)] = "autoaugment"
    """Augmentation on top of crop and flip (paper: AutoAugment). online: learned while training from the validation
    split, as `online` has it; the policy.json that such a training leaves: drawn from what it has learned."""
    online: Online = Online()
    """How augmentation is learned; of a policy.json, `chunk` alone counts."""
    erasing: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Probability of blanking a rectangle of a training image (random erasing)."""
    scale_learning_rate: bool = False
    """Linear scaling: multiply the searched learning rate by this batch size over that of the search (paper: true)."""
    teacher: str = "largest"
    """largest: the largest member, trained on labels first (paper); a member's name such as 550M; timm:NAME; the folder
    of an exported member, or of a scaled network or an answer that nars train has trained; or none, all train on labels
    alone."""
    teacher_weights: str | None = None
    """With a timm teacher: its weights in a file (safetensors, or what torch saved); timm's own, downloaded, when
    absent."""
    teacher_resolution: Whole | None = None
    """Side of the teacher's images, pixels. When absent: a member's own; the network's side for a timm model, or the
    model's own side where images are rendered for it."""
    teacher_images: Literal["resized", "rendered"] = "resized"
    """Where the teacher's images come from, if their side is not the network's. resized: from the network's own;
    rendered: cut from the originals, by the same crops, so that a larger teacher sees more."""
    teacher_normalization: Literal["images", "timm"] = "images"
    """With `teacher_weights`: how these want images normalized. images: as the training images are, which the teacher
    was trained on; timm: as timm says of the model, for weights from elsewhere."""
    teacher_sees: Literal["augmented", "clean", "whole"] = "augmented"
    """augmented: each image as the network gets it; clean: cropped, mirrored and mixed like it, without policy, colors
    and erasing; whole: each image once, as it is judged, before the training: a large teacher then costs next to
    nothing, but says the same of every crop."""
    teacher_temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0
    """By which both answers are softened before they are compared; above 1 the classes beside the first count more
    (paper: 1)."""
    accumulation: Whole = 1
    """Parts that a batch goes through the network in, to save memory."""
    amp: Literal["none", "bf16"] = "none"
    """bf16: compute in bfloat16 where that is safe; weights stay float32."""
    channels_last: bool = True
    """Channels innermost in memory, with which most convolutions are faster."""
    compile: bool = False
    """Train through torch.compile; the first steps take a minute longer."""
    watch: Annotated[
        tuple[Literal["tensorboard", "mlflow", "wandb"], ...], Field(strict=False), BeforeValidator(_listed)
    ] = ()
    """Where the curves are sent; TensorBoard's files go to tensorboard/ in the run folder."""

    @property
    def learns(self) -> bool:
        """Whether augmentation is learned while training."""
        return self.policy == ONLINE

    @property
    def draws(self) -> bool:
        """Whether augmentation is drawn from what another training has learned."""
        return self.policy.endswith(".json")

    @property
    def copies(self) -> int:
        """How many copies of each network are trained."""
        return self.online.copies if self.learns else 1

    @model_validator(mode="after")
    def _weights_have_a_network(self) -> Final:
        sized = self.teacher_weights is None or self.teacher_normalization == "timm"
        unsized = self.teacher.startswith("timm:") and not sized and self.teacher_resolution is None
        if self.teacher_images == "rendered" and unsized:
            raise ValueError(
                "teacher_images: rendered needs the side that the teacher was trained at, which a file of weights does "
                "not say; write teacher_resolution, or teacher_normalization: timm if they are as timm has them"
            )
        if self.teacher_weights is not None and not self.teacher.startswith("timm:"):
            raise ValueError("teacher_weights are those of a timm teacher; write teacher: timm:NAME, or leave them out")
        return self


class RunConfig(_Section):
    """One run from pool to report."""

    name: str
    """Name of the run; its folder is runs/NAME unless told otherwise."""
    about: str = ""
    """A sentence for the report."""
    space: str
    """A built-in space, or the path of a space file (relative to this file)."""
    task: Literal["images"] | OwnTask = "images"
    """What candidates are trained for: images, or a trainer of your own."""
    metric: ImageMetric | OwnMetric | None = None
    """Of runs on images: accuracy (the default), balanced_accuracy, macro_f1, top5, auroc or log_loss, and for several
    labels mean_average_precision, each on the validation images; of a trainer of your own: what it measures."""
    data: Data | None = None
    """Of images."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of all random choices: equal seeds give equal runs on one machine."""
    range: Limits = Bounds()
    """Where stage 2 looks: bounds on costs (paper: 400M to 800M FLOPs); the space's own when absent."""
    latency: str | None = None
    """A device table (nars latency writes them), which makes latency a cost."""
    pretraining: Pretraining = Pretraining()
    collect: Collect = Collect()
    search: Search = Search()
    family: Scaled = Scaled()
    final: Final = Final()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, content: Any) -> Any:
        """`flops: {low, high}` is that entry of `range`."""
        if not isinstance(content, Mapping) or "flops" not in content:
            return content
        rest = {key: value for key, value in content.items() if key != "flops"}
        range_ = rest.get("range") or {}
        if not isinstance(range_, Mapping) or "flops" in range_:
            raise ValueError("flops is short for the flops of range; give one of the two")
        return {**rest, "range": {**range_, "flops": content["flops"]}}

    @model_validator(mode="after")
    def _of_one_kind(self) -> RunConfig:
        if self.task == "images":
            if self.data is None:
                raise ValueError("data is missing: name the images, e.g. data: {name: digits}, or a task of your own")
            if isinstance(self.metric, OwnMetric):
                raise ValueError(
                    f"of images, metric is one of {', '.join(IMAGE_METRICS)}; its name, goal and unit are for a task "
                    f"of your own"
                )
        elif not isinstance(self.metric, OwnMetric) or self.data is not None:
            raise ValueError(
                "a task of your own comes with its metric, e.g. metric: {name: macro_f1, goal: maximize}, and without "
                "data, which is that of images"
            )
        elif "epochs" not in self.final.model_fields_set:  # the paper's are for ImageNet
            final = self.final.model_copy(update={"epochs": self.collect.epochs})
            object.__setattr__(self, "final", final)
        return self

    @model_validator(mode="after")
    def _budgets_apart(self) -> RunConfig:
        twice = [str(budget) for budget, count in Counter(self.members).items() if count > 1]
        if twice:
            raise ValueError(
                f"family.scale and search.budgets give one member for each budget, got {', '.join(twice)} more than "
                f"once; leave it in one of the two"
            )
        return self

    @property
    def trains_images(self) -> bool:
        """Whether candidates are networks that nars trains on images."""
        return self.task == "images"

    @property
    def images(self) -> Data:
        """The section `data` of a run on images.

        Raises:
            ConfigError: candidates are trained by a trainer of one's own.
        """
        self.check_networks()
        assert self.data is not None
        return self.data

    def check_networks(self) -> None:
        """See that candidates are networks that nars builds and trains, which can be scaled, exported, ...

        Raises:
            ConfigError: they are trained by a trainer of one's own.
        """
        if isinstance(self.task, OwnTask):
            trainer = self.task.function or self.task.command or self.task.loop
            raise ConfigError(
                f"this needs networks that nars builds and trains, and the candidates of {self.name} are trained by "
                f"{trainer}, which keeps what it makes (a command in the folder {{out}})"
            )

    @property
    def measured(self) -> Metric:
        """What candidates are measured by."""
        if self.metric is None:
            return ACCURACY
        return IMAGE_METRICS[self.metric] if isinstance(self.metric, str) else self.metric.built()

    @property
    def in_bins(self) -> bool:
        """Whether stage 2 looks for candidates of all costs, not for one that is best."""
        how = self.collect.propose
        return how == "bins" or (how == "auto" and bool(self.search.budgets))

    @property
    def budgets(self) -> tuple[Bounds, ...]:
        """Of the members that are searched: one without limits where none is named."""
        return self.search.budgets or (Bounds(),)

    @property
    def members(self) -> tuple[Bounds, ...]:
        """Budgets of all members of the family: those that are searched, then those that are scaled from them."""
        return self.budgets + self.family.scale


class Execution(_Section):
    """How a run is computed; without influence on what comes out."""

    engine: Literal["processes", "in-process", "ray"] = "processes"
    workers: Annotated[int, Field(ge=0)] = 0
    """Trainings at once; 0 is one per core, or `per_gpu` per GPU."""
    per_gpu: Whole = 1
    """Trainings at once on one GPU: small networks leave most of one idle."""
    threads: Whole = 1
    """Of torch, in each final training."""
    device: str = AUTO
    """auto (a GPU where there is one), cpu, cuda, cuda:N or mps."""
    address: str | None = None
    """Ray cluster to join; a local one when absent."""


def execution(**settings: Any) -> Execution:
    """How to compute a run, checked. The device "auto" is settled by whoever computes, as only torch knows of GPUs.

    Raises:
        ConfigError: unknown engine, negative number of workers, ...; one line per mistake.
        DeviceError: there is no such device.
    """
    try:
        made = Execution(**settings)
    except pydantic.ValidationError as error:
        lines = [f"--{str(fault.path[0]).replace('_', '-')}: {fault.says}" for fault in faults_of(error, Execution)]
        raise ConfigError("\n".join(lines)) from error
    if made.engine == "ray" or (made.device == AUTO and made.per_gpu == 1):  # Ray's devices are the cluster's
        return made
    return made.model_copy(update={"device": resolve_device(made.device)})


_EARLIER: Mapping[str, Any] = {"ema_warmup": True}
"""What trainings did when there was no such key."""


def as_trained(section: Mapping[str, Any]) -> dict[str, Any]:
    """A section of trainings that was kept (`collect`, `final`), with what they did where it does not say."""
    return {**_EARLIER, **section}


def as_run(kept: Mapping[str, Any]) -> dict[str, Any]:
    """A run's configuration that was kept, perhaps by an earlier version, with what it did where it does not say."""
    trainings = {name: kept.get(name) or {} for name in ("collect", "final")}
    return {**kept, **{name: as_trained(part) for name, part in trainings.items() if isinstance(part, Mapping)}}


def in_current_form(kept: Mapping[str, Any]) -> Mapping[str, Any]:
    """A configuration that was kept, perhaps by an earlier version, as it would be kept now; as it is if that fails."""
    try:
        return RunConfig.model_validate(as_run(kept)).model_dump(mode="json")
    except pydantic.ValidationError:
        return kept


def value_at(document: Any, key: str, absent: Any = None) -> Any:
    """What a document has at a dotted key, such as "search.budgets[0]", whose last index does not count."""
    for part in key.split("[", maxsplit=1)[0].split("."):
        if not isinstance(document, Mapping) or part not in document:
            return absent
        document = document[part]
    return document


def set_value(document: dict[str, Any], key: str, value: Any) -> None:
    """Write a value at a dotted key; sections that are not there are made.

    Raises:
        ConfigError: a section on the way holds a value.
    """
    *parents, last = key.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
        if not isinstance(document, dict):
            raise ConfigError(f"{key}: {parent} holds a value, not a section; give its own name")
    document[last] = value
