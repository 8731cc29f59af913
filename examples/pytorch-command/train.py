"""A plain PyTorch script: a small convolutional network on scikit-learn's 1,797 scanned digits.

    python train.py --settings settings.json --epochs 8 --seed 0

Prints a JSON line after each epoch, `{"epoch": 1, "validation_loss": 0.93, "accuracy": 81.6}`.
"""

import argparse
import json
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

HELD_OUT = 450


def network(width, depth, kernel, dropout):
    """Takes (N, 1, 8, 8) images, gives (N, 10) logits."""
    layers, channels = [], 1
    for _ in range(depth):
        layers += [nn.Conv2d(channels, width, kernel, padding="same"), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout), nn.Linear(4 * width, 10))


def main():
    """Train by the settings and print the validation loss after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    settings = json.loads(arguments.settings.read_text())

    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    X = torch.tensor(data.images / 16, dtype=torch.float32)[order, None].to(arguments.device)
    y = torch.tensor(data.target)[order].to(arguments.device)

    torch.manual_seed(arguments.seed)
    model = network(settings["width"], settings["depth"], settings["kernel"], settings["recipe.dropout"])
    model.to(arguments.device)
    rate, batch = settings["recipe.learning_rate"], settings["recipe.batch_size"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=settings["recipe.weight_decay"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, arguments.epochs)
    for epoch in range(1, arguments.epochs + 1):
        model.train()
        for rows in torch.randperm(len(X) - HELD_OUT).split(batch):
            loss = functional.cross_entropy(
                model(X[HELD_OUT:][rows]), y[HELD_OUT:][rows], label_smoothing=settings["recipe.label_smoothing"]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            logits = model(X[:HELD_OUT])
        loss = functional.cross_entropy(logits, y[:HELD_OUT]).item()
        accuracy = 100 * (logits.argmax(1) == y[:HELD_OUT]).float().mean().item()
        print(json.dumps({"epoch": epoch, "validation_loss": loss, "accuracy": accuracy}), flush=True)


if __name__ == "__main__":
    main()
