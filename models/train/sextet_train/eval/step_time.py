"""How long a training step takes on this GPU, that it computes what demucs computes, and what its time goes into.

  python speed.py --batch 16 [--plain] [--compare] [--table]

`--plain` also times demucs' own forward under autocast, `--compare` prints errors against float32, `--table` the costliest
kernels of a step. `--fill` only fills Triton's cache, with one process a width.
"""

import argparse
import multiprocessing
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from demucs.demucs import DConv
from demucs.htdemucs import HTDemucs

import checkpoint
import train


def trainer(batch, out="."):
    return train.Trainer(SimpleNamespace(
        seed=1, channels=24, t_layers=3, optimiser="muon", lr=1e-3, hold=0.3, decay=0.0, init=None, resume=False, out=Path(out),
        seconds=100.0, warmup=300, ema=0.99, batch=batch, floor=0.1, floor_end=0.01, floor_hold=0.5, frozen=[],
    ))  # fmt: skip


def fill(channels):
    from dconv import dconv
    from layers import Gate, down, up

    branch = DConv(channels, compress=8, depth=2).cuda()
    x = torch.randn(2, 336, 8, channels, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    y = Gate.apply(torch.cat([dconv(branch, x), x], -1), torch.zeros(2 * channels, device="cuda"))
    conv, back = (
        torch.nn.Conv1d(channels, channels, 8, 4).cuda(),
        torch.nn.ConvTranspose1d(channels, channels, 8, 4).cuda(),
    )
    up(back, down(conv, y.flatten(0, 1)), 8).float().square().sum().backward()
    torch.cuda.synchronize()


def step_ms(one_step, steps=10):
    one_step()
    torch.cuda.synchronize()
    begun = time.monotonic()
    for _ in range(steps):
        one_step()
    torch.cuda.synchronize()
    return (time.monotonic() - begun) / steps * 1e3


def compare(batch=2, frames=checkpoint.SEGMENT_FRAMES):
    """Relative errors of the output and of all gradients together, bfloat16 step against demucs in float32 and (for scale)
    demucs under autocast against the same."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    from forward import forward

    torch.manual_seed(0)
    model = HTDemucs(**checkpoint.settings(), use_train_segment=False).cuda().train()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.add_(0.1 * torch.randn_like(p)) if name.endswith("scale") else p
    mix = torch.randn(batch, 2, frames, device="cuda")
    stems = torch.randn(batch, 6, 2, frames, device="cuda")

    def result(run):
        out = run(mix).float()
        loss = train.loss_of(out, stems)[1]
        return out.detach(), torch.cat(
            [g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]
        )

    def autocast(mix):
        with torch.autocast("cuda", torch.bfloat16):
            return model(mix)

    def error(a, b):
        return f"{float((a - b).norm() / b.norm()):.2e}"

    true = result(model)
    for name, run in (("this step", lambda x: forward(model, x)), ("autocast", autocast)):
        out = result(run)
        print(
            f"{name}: output {error(out[0], true[0])}, gradients {error(out[1], true[1])}",
            flush=True,
        )
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("--batch", type=int, nargs="+", default=[16])
    ap.add_argument("--fill", action="store_true")
    ap.add_argument("--compare", action="store_true")
    ap.add_argument("--plain", action="store_true")
    ap.add_argument("--table", action="store_true")
    a = ap.parse_args()
    begun = time.monotonic()
    if a.fill:
        with multiprocessing.get_context("spawn").Pool(4) as pool:
            pool.map(fill, (24, 48, 96, 192))
        print(f"filled in {time.monotonic() - begun:.0f} s", flush=True)
        return
    if a.compare:
        compare()
        print(f"compared after {time.monotonic() - begun:.0f} s", flush=True)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    for batch in a.batch:
        t = trainer(batch)
        t.capture(checkpoint.SEGMENT_FRAMES)
        print(f"batch {batch}: prepared after {time.monotonic() - begun:.0f} s", flush=True)
        print(f"batch {batch}: {step_ms(lambda: t.one_step(t.mix, t.stems)):.1f} ms a step as a graph, "
              f"{step_ms(lambda: t.gradients(t.mix, t.stems)):.1f} ms eager, "
              f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB", flush=True)  # fmt: skip
        if a.table:
            with torch.profiler.profile(
                activities=[torch.profiler.ProfilerActivity.CUDA]
            ) as profiler:
                for _ in range(3):
                    t.graph.replay()
                torch.cuda.synchronize()
            events = sorted(profiler.key_averages(), key=lambda e: -e.device_time_total)[:32]
            for e in events:
                print(
                    f"{e.device_time_total / 3e3:8.2f} ms {e.count // 3:5d} x {e.key[:90]}",
                    flush=True,
                )
        if a.plain:

            def plain():
                with torch.autocast("cuda", torch.bfloat16):
                    out = t.model(t.mix)
                train.loss_of(out.float(), t.stems)[1].backward()

            print(
                f"batch {batch}: {step_ms(plain, 3):.1f} ms as demucs computes it under autocast",
                flush=True,
            )
        del t
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
