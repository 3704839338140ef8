"""A contender: PyTorch's nn.LSTM with the sizes of jobs/demo.yaml and Adam, trained for a given time.

As in this project, each row of a batch passes through a segment of neighbouring windows with carried state, then starts
another segment from zero. Segments are drawn at random. A split is evaluated in as many lanes as a batch has rows.
"""

import argparse
import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from benchmarks.clocked_torch import Precision, count_symbols, load_text, serve_training

State = tuple[torch.Tensor, torch.Tensor] | None


class Net(nn.Module):
    def __init__(self, symbols: int, units: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.lstm, self.logits = nn.LSTM(symbols, units, batch_first=True), nn.Linear(units, symbols)

    def forward(self, ids: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        hidden, state = self.lstm(functional.one_hot(ids, self.symbols).float(), state)
        return self.logits(hidden), state


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    for name in ("units", "batch", "chars", "windows", "warmup-steps"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    args = parser.parse_args()
    torch.manual_seed(1)
    text = load_text(args.folder)
    net = Net(count_symbols(text), args.units)
    segment = args.windows * args.chars
    window, starts = args.windows, torch.zeros(args.batch, dtype=torch.long)
    state: State = None

    def nats(ids: torch.Tensor, before: State, precision: Precision) -> tuple[torch.Tensor, State]:
        """Return the nats per character of windows [rows, n + 1], and the state after them."""
        with precision():
            logits, after = net(ids[:, :-1], before)
        assert after
        loss = functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())
        return loss, (after[0].detach().float(), after[1].detach().float())

    def loss(precision: Precision) -> torch.Tensor:
        nonlocal window, starts, state
        if window == args.windows:
            window, starts, state = 0, torch.randint(len(text["train"]) - segment, (args.batch,)), None
        firsts = starts + window * args.chars
        ids = torch.stack([text["train"][first : first + args.chars + 1] for first in firsts.tolist()])
        window += 1
        result, state = nats(ids, state, precision)
        return result

    def bits(split: str, precision: Precision) -> float:
        lane = (len(text[split]) - 1) // args.batch
        ids = torch.stack([text[split][row * lane : (row + 1) * lane + 1] for row in range(args.batch)])
        total, carried = 0.0, None
        for first in range(0, lane, args.chars):
            part = ids[:, first : first + args.chars + 1]
            mean, carried = nats(part, carried, precision)
            total += float(mean) * (part.shape[1] - 1)
        return total / lane / math.log(2)

    serve_training(
        *(net, torch.optim.Adam(net.parameters(), args.rate, fused=True), loss, bits),
        seconds=args.seconds,
        peak_rate=args.rate,
        warmup_steps=args.warmup_steps,
        chars_per_step=args.batch * args.chars,
    )


if __name__ == "__main__":
    main()
