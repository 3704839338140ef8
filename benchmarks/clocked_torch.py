"""Training of a PyTorch model for a given time, in turns, and in the precision that is faster on this machine."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.contender import serve

SPLITS = ("validation", "test")
Text = Mapping[str, torch.Tensor]
Precision = Callable[[], Any]  # a context in which the model computes


def load_text(folder: Path) -> Text:
    """Return the ids [n] int64 of each split."""
    return {split: torch.from_numpy(np.load(folder / f"{split}.npy")).long() for split in ("train", *SPLITS)}


def count_symbols(text: Text) -> int:
    return max(int(ids.max()) for ids in text.values()) + 1


def choose_precision(loss: Callable[[Precision], torch.Tensor]) -> tuple[str, Precision]:
    """Return the name and the context of the faster precision, float32 or bfloat16 autocast, by a few steps."""
    precisions: dict[str, Precision] = {
        "float32": nullcontext,
        "bfloat16": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    }
    seconds = dict.fromkeys(precisions, math.inf)
    for _ in range(4):
        for name, precision in precisions.items():
            began = time.perf_counter()
            try:
                loss(precision).backward()
            except RuntimeError:  # nn.LSTM has no bfloat16 on a CPU without AVX-512
                continue
            seconds[name] = min(seconds[name], time.perf_counter() - began)
    fastest = min(seconds, key=seconds.__getitem__)
    return fastest, precisions[fastest]


def serve_training(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Precision], torch.Tensor],
    bits: Callable[[str, Precision], float],
    *,
    seconds: float,
    peak_rate: float,
    warmup_steps: int,
    chars_per_step: int,
) -> None:
    """Serve turns of training, in all for `seconds`.

    The rate falls to a tenth along a cosine. Gradients are clipped at a norm of 1.
    `loss` returns the nats per character of a new batch, `bits` the bits per character of a split. A turn's request has
    `seconds` to train, or `evaluate`.
    """
    steps, taken = 0, 0.0
    name, precision = choose_precision(loss)

    def step() -> None:
        nonlocal steps
        cosine = 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, taken / seconds)))
        for group in optimizer.param_groups:
            group["lr"] = peak_rate * min(cosine, (steps + 1) / warmup_steps)
        optimizer.zero_grad(set_to_none=True)
        loss(precision).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        steps += 1

    def turn(request: dict[str, Any]) -> dict[str, Any]:
        nonlocal taken
        if request.get("evaluate"):
            with torch.no_grad():
                return {"bits": {split: bits(split, precision) for split in SPLITS}, "precision": name}
        before = taken
        while taken - before < request["seconds"]:
            began = time.perf_counter()
            step()
            taken += time.perf_counter() - began
        return {"seconds": taken - before, "chars": steps * chars_per_step}

    serve(turn)
