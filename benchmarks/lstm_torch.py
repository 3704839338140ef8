"""A contender: a model of lstm_shapes with PyTorch's nn.LSTM, used as PyTorch's documentation shows.

Autocast to bfloat16 on a CPU that has it, to float16 with a GradScaler on a GPU; fused Adam; clipped gradients. On a
GPU nn.LSTM runs on cuDNN.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.contender import serve
from benchmarks.lstm_shapes import SHAPES, SYMBOLS


class Net(nn.Module):
    def __init__(self, units: Sequence[int]) -> None:
        super().__init__()
        inputs = (SYMBOLS, *units[:-1])
        self.layers = nn.ModuleList(nn.LSTM(*sizes, batch_first=True) for sizes in zip(inputs, units, strict=True))
        self.logits = nn.Linear(units[-1], SYMBOLS)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden = nn.functional.one_hot(ids, SYMBOLS).float()
        for layer in self.layers:
            hidden, _ = layer(hidden)
        logits: torch.Tensor = self.logits(hidden)
        return logits


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=SHAPES, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--float32", action="store_true")
    args = parser.parse_args()
    shape = SHAPES[args.model]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(1)
    net = Net(shape.units).to(device)
    adam = torch.optim.Adam(net.parameters(), 0.002, fused=True)
    half = torch.float16 if device == "cuda" else torch.bfloat16
    # Without AVX-512 nn.LSTM has no bfloat16 on a CPU.
    halves = not args.float32 and (device == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported())
    scaler = torch.amp.GradScaler(device, enabled=device == "cuda" and halves)
    ids = torch.randint(0, SYMBOLS, (args.batch, shape.window_chars + 1), device=device)

    def turn(_: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        adam.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=half, enabled=halves):
            logits = net(ids[:, :-1])
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())
        scaler.scale(loss).backward()
        scaler.unscale_(adam)
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        scaler.step(adam)
        scaler.update()
        loss.item()
        precision = str(half).removeprefix("torch.") if halves else "float32"
        return {"input": 0.0, "step": time.perf_counter() - began, "precision": precision}

    serve(turn)


if __name__ == "__main__":
    main()
