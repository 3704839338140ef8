"""A contender: a transformer with nanoGPT's CPU configuration, 4 layers of width 128, in PyTorch.

The source is nanoGPT's README and config/train_shakespeare_char.py. Blocks of 256 characters, batches of 32, bfloat16
autocast. AdamW with betas 0.9 and 0.99, weight decay 0.1 on matrices, gradients clipped at 1, no dropout. The learning
rate warms up for 100 steps, then falls from 1e-3 to 1e-4 along a cosine.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.contender import serve

LAYERS, HEADS, WIDTH, BLOCK, BATCH = 4, 4, 128, 256, 32
PEAK, WARMUP_STEPS = 1e-3, 100
SPLITS = ("validation", "test")


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before_attention, self.before_mlp = (nn.LayerNorm(WIDTH, bias=False) for _ in range(2))
        self.heads, self.joined = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, chars, _ = x.shape
        parts = self.heads(self.before_attention(x)).view(rows, chars, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.joined(mixed.transpose(1, 2).reshape(rows, chars, WIDTH))
        return x + self.down(functional.gelu(self.up(self.before_mlp(x))))


class Net(nn.Module):
    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.symbols, self.positions = nn.Embedding(symbols, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.layers, self.last = nn.Sequential(*(Layer() for _ in range(LAYERS))), nn.LayerNorm(WIDTH, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                residual = name.endswith(("joined.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if residual else 0.02)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.symbols(ids) + self.positions(torch.arange(ids.shape[1]))
        return functional.linear(self.last(self.layers(x)), self.symbols.weight)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    args = parser.parse_args()
    torch.manual_seed(1)
    text = {split: torch.from_numpy(np.load(args.folder / f"{split}.npy")).long() for split in ("train", *SPLITS)}
    net = Net(int(text["train"].max()) + 1)
    groups = [
        {"params": [w for w in net.parameters() if w.dim() > 1], "weight_decay": 0.1},
        {"params": [w for w in net.parameters() if w.dim() < 2], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, PEAK, betas=(0.9, 0.99), fused=True)
    steps, taken = 0, 0.0

    def nats(ids: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = net(ids[:, :-1])
        return functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())

    def step() -> None:
        nonlocal steps
        cosine = 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, taken / args.seconds)))
        for group in adam.param_groups:
            group["lr"] = PEAK * min(cosine, (steps + 1) / WARMUP_STEPS)
        starts = torch.randint(len(text["train"]) - BLOCK, (BATCH,))
        loss = nats(torch.stack([text["train"][start : start + BLOCK + 1] for start in starts.tolist()]))
        adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
        steps += 1

    @torch.no_grad()
    def bits(ids: torch.Tensor) -> float:
        blocks = ids[: (len(ids) - 1) // BLOCK * BLOCK + 1].unfold(0, BLOCK + 1, BLOCK)
        sums = [float(nats(part)) * len(part) for part in blocks.split(BATCH)]
        return sum(sums) / len(blocks) / math.log(2)

    def turn(request: dict[str, Any]) -> dict[str, Any]:
        nonlocal taken
        if request.get("evaluate"):
            return {"bits": {split: bits(text[split]) for split in SPLITS}}
        before = taken
        while taken - before < request["seconds"]:
            began = time.perf_counter()
            step()
            taken += time.perf_counter() - began
        return {"seconds": taken - before, "chars": steps * BATCH * BLOCK}

    serve(turn)


if __name__ == "__main__":
    main()
