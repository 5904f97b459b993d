"""Head and cross-entropy: ours, a block of positions at a time, against dense logits and torch's cross-entropy.

Prints, for three vocabularies and as many targets as a micro-batch has, forward and backward: dense CPU seconds over
ours, the median over rounds; then, at a vocabulary of 50,257, how much more memory each holds at its peak (each in a
process of its own) as the targets grow. `--vocabularies`, `--targets` and `--block-logits` choose.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from winnow.quiet import quiet_libraries

quiet_libraries()

import torch  # noqa: E402  after the environment is set
from torch.nn import functional  # noqa: E402

from winnow.models import cross_entropy  # noqa: E402

ROUNDS = 5
SHAPES = {1536: (128, 2500), 32000: (288, 1500), 50257: (256, 800)}
"""Vocabulary -> width, targets."""
GROWING = (500, 1000, 2000)
LARGEST = 50257


def dense(hidden, weight, targets, scales):
    """All logits at once."""
    losses = functional.cross_entropy(functional.linear(hidden, weight), targets, reduction="none")
    return (losses * scales).sum()


def in_blocks(hidden, weight, targets, scales):
    return cross_entropy.scaled_cross_entropy(hidden, weight, None, targets, scales)


WAYS = {"dense": dense, "in blocks": in_blocks}


def made(vocabulary, width, targets):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(targets, width, generator=generator).requires_grad_()
    weight = (torch.randn(vocabulary, width, generator=generator) / width**0.5).requires_grad_()
    wanted = torch.randint(vocabulary, (targets,), generator=generator)
    return hidden, weight, wanted, torch.full((targets,), 1 / targets)


def cpu_seconds(way, tensors):
    started = time.process_time()
    WAYS[way](*tensors).backward()
    return time.process_time() - started


def speed(vocabulary):
    width, targets = SHAPES[vocabulary]
    tensors = made(vocabulary, width, targets)
    ratios = [cpu_seconds("dense", tensors) / cpu_seconds("in blocks", tensors) for _ in range(ROUNDS)]
    ratio = statistics.median(ratios)
    print(
        f"cross-entropy, vocabulary {vocabulary:,}, width {width}, {targets:,} targets: {ratio:.2f}x dense", flush=True
    )


def print_peak(way, targets):
    """In a process of its own: MiB at the peak beyond what is held before the loss."""
    tensors = made(LARGEST, SHAPES[LARGEST][0], targets)
    WAYS[way](*made(LARGEST, 8, 8)).backward()  # reads in the code of all kernels
    before = resident("VmRSS")
    WAYS[way](*tensors).backward()
    print((resident("VmHWM") - before) >> 10)


def resident(key):
    """Resident memory of this process in KiB: now (VmRSS) or at its peak (VmHWM; getrusage's is its parent's too)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def peak(way, targets):
    command = [sys.executable, __file__, "--peak", way, str(targets)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory(growing):
    for way in WAYS:
        held = ", ".join(f"{peak(way, targets):,} MiB at {targets:,}" for targets in growing)
        print(f"memory, vocabulary {LARGEST:,}, {way}: {held} targets", flush=True)


def main():
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabularies", type=int, nargs="*", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--targets", type=int, nargs="*", default=GROWING, help="of the memory's measurement")
    parser.add_argument(
        "--block-logits", type=int, default=cross_entropy.BLOCK_LOGITS, help="of the speed's measurement"
    )
    parser.add_argument("--peak", nargs=2, metavar=("WAY", "TARGETS"), help="one measurement of memory")
    asked = parser.parse_args()
    if asked.peak:
        print_peak(asked.peak[0], int(asked.peak[1]))
        return
    cross_entropy.BLOCK_LOGITS = asked.block_logits
    for vocabulary in asked.vocabularies:
        speed(vocabulary)
    memory(asked.targets)


if __name__ == "__main__":
    main()
