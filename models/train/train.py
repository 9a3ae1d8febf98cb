"""Trains HTDemucs on a pool that a farm fills, on one GPU or several, for a given time.

  python farm.py POOL --workers 28 --valid 16 &
  torchrun --nproc-per-node 2 train.py POOL OUT --seconds 1200

The schedule follows the clock: warm-up, then a cosine to zero that ends when the time is up, however fast steps are.
OUT/last.pt (weights, average, optimiser, clock) is written every --save-every seconds; --resume continues from it. The
exponential average of the weights is what validation judges and `OUT/mini.safetensors` holds.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

if "LOCAL_RANK" in os.environ:  # every process sees one GPU, as number 0, so that they share compiled kernels
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ["LOCAL_RANK"]

import numpy as np
import torch
import torch.distributed as dist
from demucs.htdemucs import HTDemucs

import checkpoint
from compose import STEMS
from mix import Pool, examples, prefetched

WINDOWS = (4096, 2048, 1024, 512)


def loss_of(estimate, target, window, spectral_weight):
    """L1 on the waveforms plus L1 on complex short-time spectra at one resolution, drawn anew at every step."""
    wave = (estimate - target).abs().mean()
    error = (estimate - target).flatten(0, 2)
    hann = torch.hann_window(window, device=error.device)
    spectrum = torch.stft(error, window, window // 4, window=hann, normalized=True, center=False, return_complex=True)
    return wave, wave + spectral_weight * torch.view_as_real(spectrum).abs().mean()


def sdr(reference, estimate):
    """10 log10 of reference energy over error energy, whole track."""
    return 10 * math.log10(float(reference.square().sum() + 1e-9) / float((reference - estimate).square().sum() + 1e-9))


@torch.no_grad()
def validate(model, folder, device):
    """Median SDR per stem over the validation songs, and median leakage into stems that are silent, dB of the mix."""
    scores, leaks, frames = {s: [] for s in STEMS}, [], checkpoint.SEGMENT_FRAMES
    for path in sorted(Path(folder).glob("*.npy")):
        stems = torch.from_numpy(np.load(path)).to(device).float() / 32767
        count = max(1, stems.shape[-1] // frames)
        stems = stems[..., : count * frames]
        chunks = stems.sum(0).view(2, count, -1).transpose(0, 1)
        with torch.autocast(device.type, torch.bfloat16):
            out = model(chunks).float().permute(1, 2, 0, 3).reshape(stems.shape)
        for i, stem in enumerate(STEMS):
            if stems[i].abs().max() > 0.003:
                scores[stem].append(sdr(stems[i], out[i]))
            elif stems[i].abs().max() == 0:
                leaks.append(10 * math.log10(float(out[i].square().sum() / stems.sum(0).square().sum()) + 1e-9))
    table = {s: round(float(np.median(v)), 2) for s, v in scores.items() if v}
    return table | ({"leak": round(float(np.median(leaks)), 1)} if leaks else {})


class Trainer:
    def __init__(self, a):
        self.a = a
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        if self.world > 1:
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        torch.manual_seed(a.seed)
        self.kwargs = checkpoint.settings(a.channels, a.t_layers)
        self.model = HTDemucs(**self.kwargs, use_train_segment=False).to(self.device).train()
        self.average = HTDemucs(**self.kwargs).to(self.device).eval()
        self.average.load_state_dict(self.model.state_dict())
        self.params = list(self.model.parameters())
        self.optimiser = torch.optim.AdamW(self.params, lr=a.lr, betas=(0.9, 0.99), weight_decay=a.decay, fused=True)
        self.step, self.elapsed, self.norms = 0, 0.0, 1.0
        if a.init:
            self.model.load_state_dict(checkpoint.load(a.init).state_dict())
            self.average.load_state_dict(self.model.state_dict())
        if a.resume and (a.out / "last.pt").exists():
            self.restore()
        self.rng = np.random.default_rng([a.seed, self.rank, self.step])
        self.compiled = False
        if a.compile == "now":
            self.compile()

    def compile(self):
        """Compiles layer by layer in place: the STFT stays as it is. What cannot be compiled runs as before."""
        torch._dynamo.config.suppress_errors = True
        torch._dynamo.config.cache_size_limit = 64
        for block in (*self.model.tencoder, *self.model.encoder, *self.model.tdecoder, *self.model.decoder):
            block.compile(dynamic=False)
        self.model.crosstransformer.compile(dynamic=False)
        self.compiled = True

    def save(self):
        state = {
            "model": self.model.state_dict(), "average": self.average.state_dict(), "step": self.step,
            "optimiser": self.optimiser.state_dict(), "elapsed": self.elapsed, "norms": float(self.norms),
        }  # fmt: skip
        torch.save(state, self.a.out / "last.part")
        (self.a.out / "last.part").rename(self.a.out / "last.pt")
        checkpoint.save(self.average.state_dict(), self.kwargs, self.a.out / "mini.part")
        (self.a.out / "mini.part").rename(self.a.out / "mini.safetensors")

    def restore(self):
        state = torch.load(self.a.out / "last.pt", map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.elapsed, self.norms = state["step"], state["elapsed"], state["norms"]

    def learning_rate(self):
        progress = min(1.0, self.elapsed / self.a.seconds)
        return self.a.lr * min(1.0, (self.step + 1) / self.a.warmup) * 0.5 * (1 + math.cos(math.pi * progress))

    def one_step(self, mix, stems):
        window = WINDOWS[self.step % len(WINDOWS)]
        with torch.autocast(self.device.type, torch.bfloat16):
            estimate = self.model(mix)
        wave, loss = loss_of(estimate.float(), stems, window, self.a.spectral)
        loss.backward()
        self.update()
        return wave.detach()

    def update(self):
        """Gradients averaged over GPUs, clipped at a multiple of their usual norm, dropped where not finite; then EMA."""
        flat = torch.cat([p.grad.flatten() for p in self.params])
        if self.world > 1:
            dist.all_reduce(flat)
            flat /= self.world
        norm = flat.norm()
        limit = 2.0 * self.norms
        flat = torch.where(torch.isfinite(norm), flat * torch.clamp(limit / (norm + 1e-9), max=1.0), torch.zeros_like(flat))
        kept = torch.where(torch.isfinite(norm), torch.minimum(norm, torch.as_tensor(limit, device=norm.device) * 2), torch.zeros_like(norm))
        self.norms = (0.98 * self.norms + 0.02 * kept) if self.step else kept
        for p, g in zip(self.params, flat.split([p.numel() for p in self.params])):
            p.grad = g.view_as(p)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        keep = min(self.a.ema, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), self.params, 1 - keep)
        self.step += 1

    def shared_clock(self, started):
        """The first process's clock and wishes, so that all stop and change at the same step. OUT/compile and OUT/seconds
        (a new total) may appear while training runs."""
        wish = self.a.compile == "later" and (self.a.out / "compile").exists()
        total = self.a.out / "seconds"
        total = float(total.read_text()) if total.exists() else self.a.seconds
        now = torch.tensor([time.monotonic() - started, wish, total], dtype=torch.float64, device=self.device)
        if self.world > 1:
            dist.broadcast(now, 0)
        seconds, wish, self.a.seconds = now.tolist()
        if wish and not self.compiled:
            self.compile()
        return seconds

    def warm_up(self, frames):
        """Compiles on noise while the farm renders the first songs; nothing is learnt here."""
        for _ in range(3):
            mix = torch.randn(self.a.batch, 2, frames, device=self.device)
            with torch.autocast(self.device.type, torch.bfloat16):
                estimate = self.model(mix)
            loss_of(estimate.float(), torch.zeros_like(estimate, dtype=torch.float32), 1024, 0.5)[1].backward()
            self.optimiser.zero_grad(set_to_none=True)

    def log(self, **values):
        if self.rank == 0:
            line = json.dumps(values)
            print(line, flush=True)
            with open(self.a.out / "log.jsonl", "a") as file:
                file.write(line + "\n")

    def run(self):
        a, frames = self.a, int(self.a.crop_s * 44100)
        pool = Pool(a.pool, a.capacity, int(a.song_s * 44100), self.device, self.rank, self.world)
        begun = time.monotonic()
        self.warm_up(frames)
        self.log(event="warm", seconds=round(time.monotonic() - begun, 1), parameters=checkpoint.parameters(self.model))
        while pool.count < a.min_songs:
            time.sleep(0.2)
        if self.world > 1:
            dist.barrier()
        self.log(event="start", songs=pool.added, waited_s=round(time.monotonic() - begun, 1))
        # Time from the process's start counts too when --deadline is given, so that the decay completes before it.
        if a.deadline:
            a.seconds = self.elapsed + max(10.0, a.deadline - time.time() - 20)
            clock = torch.tensor([a.seconds], dtype=torch.float64, device=self.device)
            if self.world > 1:
                dist.broadcast(clock, 0)
            a.seconds = float(clock)
        started = time.monotonic() - self.elapsed
        saved = judged = shown = self.elapsed
        losses, first = [], self.step
        batches = prefetched(lambda: examples(pool, self.rng, a.batch, frames), self.device)
        while self.elapsed < a.seconds and self.step < a.max_steps:
            mix, stems = next(batches)
            losses.append(self.one_step(mix, stems))
            if self.step % 5 == 0:
                self.elapsed = self.shared_clock(started)
            if self.elapsed - shown > a.log_every:
                self.log(step=self.step, t=round(self.elapsed, 1), loss=round(float(torch.stack(losses).mean()), 4),
                         compiled=self.compiled, lr=round(self.learning_rate(), 6), norm=round(float(self.norms), 4), songs=pool.added * self.world,
                         rate=round((self.step - first) / max(1e-3, self.elapsed - shown), 2))  # fmt: skip
                losses, shown, first = [], self.elapsed, self.step
            if self.rank == 0 and self.elapsed - judged > a.judge_every:
                self.log(step=self.step, t=round(self.elapsed, 1), valid=validate(self.average, a.pool / "valid", self.device))
                judged = self.elapsed
            if self.rank == 0 and self.elapsed - saved > a.save_every:
                self.save()
                saved = self.elapsed
        if self.rank == 0:
            self.save()
            self.log(event="end", step=self.step, t=round(self.elapsed, 1), songs=pool.added * self.world,
                     valid=validate(self.average, a.pool / "valid", self.device))  # fmt: skip
        if self.world > 1:
            dist.barrier()
            dist.destroy_process_group()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("pool", type=Path)
    ap.add_argument("out", type=Path)
    ap.add_argument("--seconds", type=float, default=1200)
    ap.add_argument("--deadline", type=float, default=0, help="Unix time: train until 20 s before it instead of --seconds")
    ap.add_argument("--max-steps", type=int, default=10**9)
    ap.add_argument("--batch", type=int, default=16, help="a GPU")
    ap.add_argument("--crop-s", type=float, default=float(checkpoint.SEGMENT))
    ap.add_argument("--song-s", type=float, default=24.0)
    ap.add_argument("--capacity", type=int, default=2400, help="songs a GPU, 25 MB each")
    ap.add_argument("--min-songs", type=int, default=200)
    ap.add_argument("--channels", type=int, default=24)
    ap.add_argument("--t-layers", type=int, default=3)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--decay", type=float, default=0.0)
    ap.add_argument("--warmup", type=int, default=300)
    ap.add_argument("--ema", type=float, default=0.998)
    ap.add_argument("--spectral", type=float, default=0.5)
    ap.add_argument("--compile", choices=("no", "now", "later"), default="no", help="later: when OUT/compile appears")
    ap.add_argument("--log-every", type=float, default=15)
    ap.add_argument("--judge-every", type=float, default=90)
    ap.add_argument("--save-every", type=float, default=60)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--init", type=Path, help="start from a model's weights")
    ap.add_argument("--resume", action="store_true")
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    Trainer(a).run()


if __name__ == "__main__":
    main()
