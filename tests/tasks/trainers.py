"""Trainers as users write them: each function is one, and the program trains by the one that the settings name.

python trainers.py settings.json 3 0
"""

import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path


def learn(settings, epochs, seed, device):
    """A curve that the settings and the seed decide, and a global random number."""
    if settings.get("hungry"):
        bytearray(10**15)
    for epoch in range(1, epochs + 1):
        value = math.nan if settings.get("diverges") else settings["level"] + random.random() / epoch / 2 + seed / 100
        yield {"f1": value, "loss": 1.0 / epoch, "device": device, "good": True}


def single(settings):
    return settings["level"]


def listed(settings, epochs):
    return [settings["level"]] * epochs


def anything(**given):
    return {"metric": given["settings"]["level"], "words": " ".join(sorted(given))}


def forever(settings):
    """Never asks how many epochs; says when it is stopped."""
    try:
        while True:
            yield settings["level"]
    finally:
        Path(settings["log"]).write_text("closed", encoding="utf-8")


def _said(value):
    def say(settings):
        return value

    return say


nothing, text, truth, long, other, deep = map(
    _said, [None, "0.9", True, [1.0] * 9, {"loss": 0.1}, {"f1": 0.5, "parts": [1, 2]}]
)
nan, outside, few = map(_said, [[math.nan] * 3, [0.5, 1.5, 0.5], [0.5]])
not_callable = 3


def dies(settings):
    raise RuntimeError("shapes differ")


def mistaken(settings):
    return settings["levels"]


def leaves(settings):
    sys.exit(3)


def greedy(settings):
    bytearray(64 << 30)


def wants_more(settings, model):
    """Needs what nobody gives it."""


def blind(epochs):
    """Does not look at its settings."""


# What programs do wrong, beside what is said above.


def hangs(settings):
    print(json.dumps({"epoch": 1, "metric": 0.5}))
    time.sleep(600)


def garbage(settings):
    for number in range(2000):
        print("loss", number, "{not json", '{"a": 1}', "[]")


def exits(settings):
    sys.stderr.write("a long story\n" * 200 + "no such layer: conv7\n")
    os._exit(3)


def killed(settings):
    os.kill(os.getpid(), 9)


def exit_137(settings):
    os._exit(137)


def huge_line(settings, epochs):
    sys.stdout.write("x" * (5 << 20) + "\n")
    return [0.5] * epochs


def not_utf8(settings, epochs):
    sys.stdout.buffer.write(b"\xff\xfe caf\xe9\n")
    sys.stderr.buffer.write(b"\xff\n")
    sys.stdout.flush()
    return [0.5] * epochs


def leaves_children(settings, epochs):
    """One of its group, and one that leaves it, both with its output open."""
    children = [subprocess.Popen(["sleep", "600"], start_new_session=new) for new in (False, True)]
    Path(settings["log"]).write_text(" ".join(str(child.pid) for child in children), encoding="utf-8")
    return [0.5] * epochs


def stubborn(settings, epochs):
    """Asks not to be ended, and saves after its last epoch."""
    for _ in range(epochs):
        yield settings["level"]
    time.sleep(0.3)
    Path(settings["log"]).write_text("saved", encoding="utf-8")


def from_zero(settings, epochs):
    return [{"epoch": number, "metric": 0.5} for number in range(epochs)]


def main(path, epochs, seed, device="cpu"):
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    random.seed(int(seed))
    given = {"settings": settings, "epochs": int(epochs), "seed": int(seed), "device": device}
    trainer = globals()[settings["trainer"]]
    said = trainer(**{name: given[name] for name in trainer.__code__.co_varnames if name in given})
    if said is None:
        return
    if not hasattr(said, "__iter__") or isinstance(said, (str, dict)):
        said = [said]
    for number, value in enumerate(said, 1):
        print("epoch", number, "of", epochs)  # people print
        print(json.dumps({"epoch": number} | (value if isinstance(value, dict) else {"metric": value})))


if __name__ == "__main__":
    main(*sys.argv[1:])
