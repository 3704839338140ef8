"""A contender: PyTorch's nn.LSTM on the seed's model, as its documentation has it.

Autocast to bfloat16 where the processor multiplies in it (float16 with a GradScaler on a GPU), fused Adam, clipped
gradients; on a GPU it is cuDNN.
"""

import argparse
import time
from typing import Any

import torch
from torch import nn

from benchmarks.contender import serve
from benchmarks.lstm_shapes import SYMBOLS, UNITS, WINDOW_CHARS


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lower = nn.LSTM(SYMBOLS, UNITS[0], batch_first=True)
        self.upper = nn.LSTM(UNITS[0], UNITS[1], batch_first=True)
        self.logits = nn.Linear(UNITS[1], SYMBOLS)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden = nn.functional.one_hot(ids, SYMBOLS).float()
        found: torch.Tensor = self.logits(self.upper(self.lower(hidden)[0])[0])
        return found


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--batch", type=int, required=True)
    arguments.add_argument("--float32", action="store_true")
    asked = arguments.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(1)
    net = Net().to(device)
    adam = torch.optim.Adam(net.parameters(), 0.002, fused=True)
    scaler = torch.amp.GradScaler(device, enabled=device == "cuda" and not asked.float32)
    half = torch.float16 if device == "cuda" else torch.bfloat16
    ids = torch.randint(0, SYMBOLS, (asked.batch, WINDOW_CHARS + 1), device=device)

    def turn(_: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        adam.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=half, enabled=not asked.float32):
            logits = net(ids[:, :-1])
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())
        scaler.scale(loss).backward()
        scaler.unscale_(adam)
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        scaler.step(adam)
        scaler.update()
        loss.item()
        precision = "float32" if asked.float32 else str(half).removeprefix("torch.")
        return {"input": 0.0, "step": time.perf_counter() - began, "precision": precision}

    serve(turn)


if __name__ == "__main__":
    main()
