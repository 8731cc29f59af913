"""A trainer of one's own as a function: scikit-learn's perceptron on its 1,797 scanned digits, measured by macro F1.

`run.yaml` names `macro_f1`, `space.yaml` says what may be chosen and names `costs`.
"""

from functools import lru_cache

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

PIXELS, CLASSES = 64, 10


@lru_cache(maxsize=1)
def digits():
    """Training and validation images (N, 64) in [0, 1], and their labels, the same for all candidates."""
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, test_size=0.25, stratify=y, random_state=0)


def macro_f1(settings, epochs, seed):
    """Yields macro F1 in percent after each epoch; the training loss is kept beside it."""
    X, X_validation, y, y_validation = digits()
    model = MLPClassifier(
        hidden_layer_sizes=(settings["units"],) * settings["layers"],
        activation=settings["activation"],
        solver=settings["recipe.solver"],
        learning_rate_init=settings["recipe.learning_rate"],
        batch_size=settings["recipe.batch_size"],
        alpha=settings["recipe.weight_decay"],
        random_state=seed,
    )
    for _ in range(epochs):
        model.partial_fit(X, y, classes=np.arange(CLASSES))
        score = f1_score(y_validation, model.predict(X_validation), average="macro")
        yield {"macro_f1": 100 * score, "training_loss": model.loss_}


def costs(choices):
    """Parameters and multiply-accumulates of all candidates at once: arrays (N,) of choices in, arrays (N,) out."""
    units, layers = choices["units"], choices["layers"]
    macs = PIXELS * units + (layers - 1) * units**2 + units * CLASSES
    return {"params": macs + layers * units + CLASSES, "macs": macs}
