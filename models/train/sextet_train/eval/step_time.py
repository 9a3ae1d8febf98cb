"""How long a training step takes on this GPU, that it computes what demucs computes, and what its
time goes into.

  python -m sextet_train step-time --batch 16 [--demucs] [--compare] [--table]

`--demucs` also times demucs' own forward under autocast, `--compare` prints errors against float32,
`--table` the costliest kernels of a step. `--fill` only fills Triton's cache, with one process a
width.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from demucs.demucs import DConv
from demucs.htdemucs import HTDemucs

from sextet_train.model import htdemucs
from sextet_train.model.convolution import Gate, downsample, upsample
from sextet_train.model.dconv import dconv
from sextet_train.model.forward import forward
from sextet_train.model.htdemucs import SEGMENT_FRAMES
from sextet_train.stems import STEMS
from sextet_train.train.config import TrainConfig
from sextet_train.train.loop import allow_tf32
from sextet_train.train.loss import separation_loss
from sextet_train.train.trainer import Trainer

WIDTHS = (24, 48, 96, 192)  # channels of the model's layers
SHOWN_KERNELS = 32


def config_of(batch: int) -> TrainConfig:
    """The bundled model's training with this many examples a step; no files are used."""
    nowhere = Path(".")
    return TrainConfig(pool=nowhere, out=nowhere, batch=batch, seconds=100.0, decay=0.0)


def fill(channels: int) -> None:
    """Compiles the kernels of one width."""
    branch = DConv(channels, compress=8, depth=2).cuda()
    shape = (2, 336, 8, channels)
    x = torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    bias = torch.zeros(2 * channels, device="cuda")
    y: torch.Tensor = Gate.apply(torch.cat([dconv(branch, x), x], -1), bias)
    conv = torch.nn.Conv1d(channels, channels, 8, 4).cuda()
    back = torch.nn.ConvTranspose1d(channels, channels, 8, 4).cuda()
    z = upsample(back, downsample(conv, y.flatten(0, 1)), 8)
    z.float().square().sum().backward()
    torch.cuda.synchronize()


def step_ms(one_step: Callable[[], object], steps: int = 10) -> float:
    """Mean milliseconds of a step, after one that is not counted."""
    one_step()
    torch.cuda.synchronize()
    begun = time.monotonic()
    for _ in range(steps):
        one_step()
    torch.cuda.synchronize()
    return (time.monotonic() - begun) / steps * 1e3


def autocast(model: HTDemucs, mix: torch.Tensor) -> torch.Tensor:
    """demucs' own forward pass under autocast."""
    with torch.autocast("cuda", torch.bfloat16):
        return model(mix)


def relative(a: torch.Tensor, b: torch.Tensor) -> str:
    """The relative L2 difference of a to b."""
    return f"{float((a - b).norm() / b.norm()):.2e}"


def compare(batch: int = 2, frames: int = SEGMENT_FRAMES) -> None:
    """Prints relative errors of the output and of all gradients together: the bfloat16 step, and
    (for scale) demucs under autocast, each against demucs in float32."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(0)
    model = HTDemucs(**htdemucs.settings(), use_train_segment=False).cuda().train()
    with torch.no_grad():  # scales as they are created are thousandths, which hide errors
        for name, p in model.named_parameters():
            if name.endswith("scale"):
                p.add_(0.1 * torch.randn_like(p))
    mix = torch.randn(batch, 2, frames, device="cuda")
    stems = torch.randn(batch, len(STEMS), 2, frames, device="cuda")

    def result(
        run: Callable[[HTDemucs, torch.Tensor], torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        out = run(model, mix).float()
        grads = torch.autograd.grad(separation_loss(out, stems).trained, list(model.parameters()))
        return out.detach(), torch.cat([g.flatten() for g in grads])

    true_out, true_grads = result(lambda model, mix: model(mix))
    for name, run in (("this step", forward), ("autocast", autocast)):
        out, grads = result(run)
        errors = f"output {relative(out, true_out)}, gradients {relative(grads, true_grads)}"
        print(f"{name}: {errors}", flush=True)


def print_kernels(trainer: Trainer, steps: int = 3) -> None:
    """The costliest kernels of a step."""
    graph = trainer.gradient_step.graph
    assert graph is not None, "captured on a GPU"
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        for _ in range(steps):
            graph.replay()
        torch.cuda.synchronize()
    events = sorted(profiler.key_averages(), key=lambda e: -e.device_time_total)
    for e in events[:SHOWN_KERNELS]:
        ms = e.device_time_total / steps / 1e3
        print(f"{ms:8.2f} ms {e.count // steps:5d} x {e.key[:90]}", flush=True)


def time_step(batch: int, args: argparse.Namespace, begun: float) -> None:
    """Prints the times of a step of `batch` examples."""
    trainer = Trainer(config_of(batch))
    step = trainer.gradient_step
    step.capture(batch, SEGMENT_FRAMES)
    print(f"batch {batch}: prepared after {time.monotonic() - begun:.0f} s", flush=True)
    graph_ms = step_ms(lambda: trainer.one_step(step.mix, step.stems))
    eager_ms = step_ms(lambda: step.eager(step.mix, step.stems))
    memory = torch.cuda.max_memory_allocated() / 2**30
    print(
        f"batch {batch}: {graph_ms:.1f} ms a step as a graph, {eager_ms:.1f} ms eager, "
        f"{memory:.1f} GiB",
        flush=True,
    )
    if args.table:
        print_kernels(trainer)
    if args.demucs:

        def one_step() -> None:
            out = autocast(trainer.model, step.mix).float()
            separation_loss(out, step.stems).trained.backward()

        ms = step_ms(one_step, 3)
        print(f"batch {batch}: {ms:.1f} ms as demucs computes it under autocast", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `step-time`."""
    parser = argparse.ArgumentParser(
        prog="python -m sextet_train step-time",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--batch", type=int, nargs="+", default=[16])
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--demucs", action="store_true")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args(arguments)

    begun = time.monotonic()
    if args.fill:
        with multiprocessing.get_context("spawn").Pool(len(WIDTHS)) as pool:
            pool.map(fill, WIDTHS)
        print(f"filled in {time.monotonic() - begun:.0f} s", flush=True)
        return
    if args.compare:
        compare()
        print(f"compared after {time.monotonic() - begun:.0f} s", flush=True)
    allow_tf32()
    for batch in args.batch:
        time_step(batch, args, begun)
        torch.cuda.empty_cache()
