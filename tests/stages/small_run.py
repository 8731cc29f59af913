"""A run of a user's own, in a space of a user's own, that is computed in seconds."""

from pathlib import Path

from nars.run import execution

SPACE = """
# A space of a user's own.
name: mine
architecture:
  classes: 10
  in_channels: 1
  resolution: 8
  stem: {channels: [8, 16], stride: 1}
  stages:
    - {kernel: [3, 5], expand: {low: 1, high: 3}, channels: [8, 16], depth: {low: 1, high: 2}}
  head: {expand: 2, channels: 32}
recipe:
  learning_rate: {low: 0.002, high: 0.05, count: 5, scale: log}
  optimizer: [sgd, adamw]
"""

CONFIG = """
name: small
space: mine.yaml
data: {name: digits, validation: 0.75, flip: false, crop: 0.0, max_train: 120}
flops: {low: 20k, high: 200k}
pretraining: {pool: 64}
collect: {rounds: 2, per_round: 3, epochs: 2, warmup_epochs: 0, batch_size: 48}
search: {budgets: [30k, 150k]}
final: {epochs: 1, warmup_epochs: 0, policy: none, batch_size: 96, ema_decay: 0.9}
"""

HOW = execution(engine="in-process", workers=1, device="cpu")


def write_files(folder: Path, config: str = CONFIG) -> Path:
    """Space and configuration; the path of the latter."""
    (folder / "mine.yaml").write_text(SPACE)
    (folder / "small.yaml").write_text(config)
    return folder / "small.yaml"
