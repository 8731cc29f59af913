"""The commands, mounted."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import typer

from nars import __version__
from nars.cli import data, run, space, store
from nars.cli.audit import audit
from nars.cli.completing import completed
from nars.cli.compress import compress
from nars.cli.config import config
from nars.cli.explore import explore
from nars.cli.fit import fit
from nars.cli.latency import latency
from nars.cli.options import quietable, spread
from nars.cli.scale import scale
from nars.cli.starting import letting_go
from nars.cli.swap import swap
from nars.cli.transfer import transfer
from nars.cli.trials import import_trials
from nars.cli.verify import verify

app = typer.Typer(
    name="nars",
    help="Search a network's architecture and its training recipe together, for any resource budget.",
    epilog="Start with: nars run digits\n\nThe Tab key completes commands, spaces, runs, members and keys after: "
    "nars --install-completion\n\nExit codes: 0 done; 1 a check has failed (export --verify), or nobody reads "
    "the output; 2 something to put right, said in a sentence; 130 interrupted: the same command resumes it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

_COMMANDS: tuple[tuple[str, Callable[..., None], str], ...] = (
    (
        "run",
        run.run,
        "nars run digits\n\nnars run photos/ --time 30m --max-flops 300M --max-latency 20ms\n\n"
        "nars run runs/digits --budgets 150k,250k,500k,550k --set final.epochs=60\n\n"
        "nars run --data imagefolder:new --initial runs/photos",
    ),
    ("pretrain", run.pretrain, "nars pretrain digits --out runs/mine"),
    ("collect", run.collect, "nars collect digits --out runs/mine --workers 2"),
    (
        "search",
        run.search,
        "nars search digits --out runs/mine\n\n"
        "nars search --predictor campaign --max-flops 0.2M,0.4M\n\n"
        "nars search --predictor runs/digits --max-flops 0.3M,0.6M --max-params 30k --out answers",
    ),
    (
        "verify",
        verify,
        "nars verify answers/300k --workers 2\n\nnars verify answers/300k --confidence 0.95 --margin 0.2",
    ),
    (
        "train",
        run.train,
        "nars train digits --out runs/mine\n\n"
        "nars train digits --set final.teacher=timm:resnet18 --set final.teacher_weights=resnet18.pt\n\n"
        "nars train digits --model timm:resnet18 --recipe runs/digits/family/500k/recipe.yaml\n\n"
        "nars train answers/300k --set final.epochs=60\n\n"
        "nars train cifar10 --model fbnetv3-b --resolution 96 --recipe recipe.yaml --weights fbnetv3_b.pth",
    ),
    (
        "export",
        run.export,
        "nars export digits --out runs/mine --verify\n\nnars export runs/mine --again\n\n"
        "nars export runs/mine --int8\n\nnars export answers/300k",
    ),
    (
        "compress",
        compress,
        "nars compress runs/digits/family/500k --max-bytes 60k --max-drop 1\n\n"
        "nars compress answers/300k --trainings 12 --out small",
    ),
    ("config", config, "nars config\n\nnars config collect\n\nnars config final.teacher"),
    ("report", run.report, "nars report runs/digits"),
    (
        "explore",
        explore,
        "nars explore runs/digits\n\nnars explore cifar10\n\nnars explore runs/digits --export digits.html",
    ),
    (
        "latency",
        latency,
        "nars latency digits --runtime onnxruntime\n\nnars latency runs/photos --out photos.json\n\n"
        "nars latency runs/photos --runner 'ssh pi bench.sh {onnx}' --out pi.json\n\n"
        "nars latency mine.yaml --runner 'bench {onnx}' --networks 40\n\n"
        "nars latency runs/photos --members --out pi.json",
    ),
    (
        "import",
        import_trials,
        "nars import trials.csv --space mine.yaml --out runs/old\n\n"
        "nars import optuna.csv --space mine.yaml --columns accuracy=value --out runs/optuna",
    ),
    (
        "fit",
        fit,
        "nars fit runs/old --out predictors/old\n\n"
        "nars fit trials.csv --space mine.yaml --metric val_loss:minimize --out predictors/loss",
    ),
    ("audit", audit, "nars audit runs/digits\n\nnars audit nas-bench-macro --splits 10"),
    (
        "swap",
        swap,
        "nars swap runs/digits\n\nnars swap runs/digits --train all --seeds 2\n\n"
        "nars swap runs/digits --train diagonal,150k:500k --json swap.json",
    ),
    (
        "scale",
        scale,
        "nars scale runs/digits --to 80k,1M\n\nnars scale runs/digits --to 1M --from 250k,500k\n\n"
        "nars scale runs/digits --to 1M --factors depth=1.2,width=1.1,resolution=1.15\n\n"
        "then: nars train runs/digits/scaled/1M\n\nnars run runs/digits --set final.teacher=runs/digits/scaled/1M",
    ),
    (
        "transfer",
        transfer,
        "nars transfer runs/imagenet --to cifar10\n\n"
        "nars transfer runs/imagenet/family/450M --to cifar10 --weights --set final.epochs=40",
    ),
)
"""Name, function and examples of each, a paragraph for one, as typer runs lines together."""


def _flowing(command: Callable[..., object]) -> str:
    """What a command says of itself, each paragraph in one line, for terminals of any width; lists keep their lines."""
    return re.sub(r"(?<=\S)\n(?=\S)(?!- )", " ", inspect.getdoc(command) or "")


for name, command, examples in _COMMANDS:
    made = letting_go(quietable(completed(spread(command), name)))
    app.command(name, help=_flowing(command), epilog=f"Example: {examples}")(made)
for name, group in (("space", space.app), ("store", store.app), ("data", data.app)):
    for inner in group.registered_commands:
        if inner.callback is not None:
            inner.help = _flowing(inner.callback)
            inner.callback = completed(inner.callback, f"{name} {inner.name or inner.callback.__name__}")
    app.add_typer(group, name=name)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
