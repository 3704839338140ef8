"""A contender: a transformer with nanoGPT's CPU configuration, 4 layers of width 128, in PyTorch.

The source is nanoGPT's README and config/train_shakespeare_char.py. Blocks of 256 characters, batches of 32. AdamW with
betas 0.9 and 0.99, weight decay 0.1 on matrices, gradients clipped at 1, no dropout. The learning rate warms up for 100
steps, then falls from 1e-3 to 1e-4 along a cosine. Evaluated with a sliding window: each character has at least half a
block of context, except the first block's.
"""

import argparse
import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from benchmarks.clocked_torch import Precision, count_symbols, load_text, serve_training

LAYERS, HEADS, WIDTH, BLOCK, BATCH = 4, 4, 128, 256, 32
PEAK, WARMUP_STEPS = 1e-3, 100


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
    text = load_text(args.folder)
    net = Net(count_symbols(text))
    groups = [
        {"params": [w for w in net.parameters() if w.dim() > 1], "weight_decay": 0.1},
        {"params": [w for w in net.parameters() if w.dim() < 2], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, PEAK, betas=(0.9, 0.99), fused=True)

    def nats(blocks: torch.Tensor, precision: Precision) -> torch.Tensor:
        """Return the nats of each character [rows, BLOCK] of blocks [rows, BLOCK + 1]."""
        with precision():
            logits = net(blocks[:, :-1])
        return functional.cross_entropy(logits.float().transpose(1, 2), blocks[:, 1:], reduction="none")

    def loss(precision: Precision) -> torch.Tensor:
        starts = torch.randint(len(text["train"]) - BLOCK, (BATCH,))
        blocks = torch.stack([text["train"][start : start + BLOCK + 1] for start in starts.tolist()])
        return nats(blocks, precision).mean()

    def bits(split: str, precision: Precision) -> float:
        half = BLOCK // 2
        blocks = text[split].unfold(0, BLOCK + 1, half)
        losses = torch.cat([nats(part, precision) for part in blocks.split(BATCH)])
        counted = torch.cat([losses[0, :half], losses[:, half:].flatten()])
        return float(counted.mean()) / math.log(2)

    serve_training(
        *(net, adam, loss, bits),
        seconds=args.seconds,
        peak_rate=PEAK,
        warmup_steps=WARMUP_STEPS,
        chars_per_step=BATCH * BLOCK,
    )


if __name__ == "__main__":
    main()
