"""Trains HTDemucs on a pool that a farm fills, on one GPU or several, for a given time.

  python farm.py POOL --workers 28 --valid 16 &
  torchrun --nproc-per-node 2 train.py POOL OUT --seconds 1200

The schedule follows the clock: warm-up, a constant learning rate for --hold of the time, then a line to zero that ends when
the time is up, however fast steps are. OUT/last.pt (weights, average, optimisers, clock) is written every --save-every
seconds; --resume continues from it. The exponential average of the weights is what validation judges and
`OUT/mini.safetensors` holds. Matrices and kernels are trained by Muon (muon.py), the rest by AdamW.

On a GPU a step is forward.py's, captured once as a CUDA graph; parameters, gradients and averages are one vector each.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

if "LOCAL_RANK" in os.environ:  # every process sees one GPU, as number 0
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ["LOCAL_RANK"]

import numpy as np
import torch
import torch.distributed as dist
from demucs.htdemucs import HTDemucs

import checkpoint
from compose import STEMS
from mix import Pool, examples, prefetched
from muon import ALIGNMENT, Muon, arranged

FLOOR = 0.1  # of the mix's power


def loss_of(estimate, target, floor=FLOOR):
    """log10 of each stem's squared error over the mix's power (the mix has unit power) plus a floor, as it is and
    pre-emphasised.

    Squares estimate the mean; L1, which demucs uses, the median, which is silence for every stem whose place is not yet
    clear. The floor decides what the logarithm does: far above the errors it is the plain mean of squares; far below, it
    weighs loud and quiet stems alike, as SDR does, and leakage into silent ones above all. A model that starts with a low
    floor learns to be silent and stays so; one that ends with a high one leaks.
    """
    error = estimate - target
    plain = torch.log10(error.square().mean((2, 3)) + floor)
    high = error[..., 1:] - 0.95 * error[..., :-1]
    mix = target.sum(1, keepdim=True)
    power = (mix[..., 1:] - 0.95 * mix[..., :-1]).square().mean((2, 3)) + 1e-6
    emphasised = torch.log10(high.square().mean((2, 3)) / power + floor)
    return plain.mean(), 0.7 * plain.mean() + 0.3 * emphasised.mean()


def sdr(reference, estimate):
    """10 log10 of reference energy over error energy, whole track."""
    return 10 * math.log10(float(reference.square().sum() + 1e-9) / float((reference - estimate).square().sum() + 1e-9))


class Validation:
    """Songs of POOL/valid, cut into chunks and run in batches of one size, so that nothing is tuned or compiled for them."""

    def __init__(self, folder, batch, device):
        self.folder, self.batch, self.device, self.songs = Path(folder), batch, device, {}

    def load(self):
        for path in sorted(self.folder.glob("*.npy")):
            if path.name not in self.songs:
                stems = torch.from_numpy(np.load(path)).to(self.device).float() / 32767
                count = stems.shape[-1] // checkpoint.SEGMENT_FRAMES
                stems = stems[..., : count * checkpoint.SEGMENT_FRAMES]
                self.songs[path.name] = stems.unflatten(-1, (count, -1)).permute(2, 0, 1, 3).contiguous()
        return list(self.songs.values())

    @torch.no_grad()
    def judge(self, run):
        """Median SDR per stem, median leakage into stems that are silent (dB of the mix), and the mean loss of all chunks at
        the floor FLOOR, which tells small differences sooner than medians of a few songs."""
        songs = self.load()
        if not songs:
            return {}
        mixes = torch.cat([chunks.sum(1) for chunks in songs])
        mixes = torch.cat([mixes, mixes[:1].expand(-len(mixes) % self.batch, -1, -1)])
        out = torch.cat([run(chunk) for chunk in mixes.split(self.batch)])
        scores, leaks, losses, start = {s: [] for s in STEMS}, [], [], 0
        for truth in songs:
            estimate = out[start : start + len(truth)]
            start += len(truth)
            level = truth.sum(1).std((1, 2)).clamp(min=1e-3)[:, None, None, None]
            losses.append(float(loss_of(estimate / level, truth / level)[0]))
            for i, stem in enumerate(STEMS):
                if truth[:, i].abs().max() > 0.003:
                    scores[stem].append(sdr(truth[:, i], estimate[:, i]))
                elif truth[:, i].abs().max() == 0:
                    leaks.append(10 * math.log10(float(estimate[:, i].square().sum() / truth.sum(1).square().sum()) + 1e-9))
        table = {s: round(float(np.median(v)), 2) for s, v in scores.items() if v}
        return table | ({"leak": round(float(np.median(leaks)), 1)} if leaks else {}) | {"loss": round(float(np.mean(losses)), 5)}


def flattened(params):
    """One vector that from now on holds the parameters, in their order, each at a multiple of ALIGNMENT places."""
    sizes = [-(-p.numel() // ALIGNMENT) * ALIGNMENT for p in params]
    flat = torch.zeros(sum(sizes), device=params[0].device)
    for p, part in zip(params, flat.split(sizes)):
        part[: p.numel()].copy_(p.data.flatten())
        p.data = part[: p.numel()].view_as(p)
    return flat, sizes


def freeze(model, prefixes):
    """Leaves the parameters whose names begin so as they are. ValueError for a prefix that no name has, or if nothing is left."""
    named = dict(model.named_parameters())
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in named):
            raise ValueError(f"--frozen {prefix}: no parameter's name begins so; expected for instance crosstransformer")
    for name, p in named.items():
        p.requires_grad_(not name.startswith(tuple(prefixes)))
    if not any(p.requires_grad for p in named.values()):
        raise ValueError("--frozen leaves nothing to train")


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
        if a.init:
            self.model.load_state_dict(checkpoint.load(a.init).state_dict())
        self.average = HTDemucs(**self.kwargs).to(self.device).eval()
        self.average.load_state_dict(self.model.state_dict())
        for model in (self.model, self.average):
            freeze(model, a.frozen)
        self.params, groups = arranged(self.model, a.optimiser == "muon")
        self.flat, self.sizes = flattened(self.params)
        self.flat_average, _ = flattened(arranged(self.average, a.optimiser == "muon")[0])
        self.flat.grad = torch.zeros_like(self.flat)
        self.muon, self.graph, self.aiming = Muon(groups, self.device), None, None
        rest = self.flat[self.muon.places :]
        rest.grad = self.flat.grad[self.muon.places :]
        decay = 0.0 if groups else a.decay
        self.optimiser = torch.optim.AdamW([rest], lr=a.lr, betas=(0.9, 0.99), weight_decay=decay, fused=True)
        self.step, self.elapsed, self.norms = 0, 0.0, torch.ones((), device=self.device)
        self.floor = torch.tensor(a.floor, device=self.device)
        if a.resume and (a.out / "last.pt").exists():
            self.restore()
        self.rng = np.random.default_rng([a.seed, self.rank, self.step])

    def run(self, model, mix):
        if self.device.type != "cuda":
            return model(mix)
        from forward import forward

        return forward(model, mix)

    def gradients(self, mix, stems):
        """The loss as it is reported; fills the vector of gradients."""
        plain, loss = loss_of(self.run(self.model, mix), stems, self.floor)
        for part, grad in zip(self.flat.grad.split(self.sizes), torch.autograd.grad(loss, self.params)):
            part[: grad.numel()].copy_(grad.flatten())
        return plain.detach()

    def capture(self, frames):
        """On a GPU: warm-up on noise (kernels are compiled and chosen), then the step's forward and backward as a graph."""
        self.mix = torch.randn(self.a.batch, 2, frames, device=self.device)
        self.stems = torch.randn(self.a.batch, len(STEMS), 2, frames, device=self.device)
        if self.device.type != "cuda":
            return
        momentum = self.muon.momentum.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.gradients(self.mix, self.stems)
                self.muon.aim(self.flat.grad)
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):  # the pool's thread goes on copying
            self.plain = self.gradients(self.mix, self.stems)
        if self.muon.groups:
            self.aiming = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.aiming, capture_error_mode="thread_local"):
                self.muon.aim(self.flat.grad)
        self.muon.momentum.copy_(momentum)

    def one_step(self, mix, stems):
        self.floor.fill_(self.floor_now())
        if self.graph:
            self.mix.copy_(mix)
            self.stems.copy_(stems)
            self.graph.replay()
            plain = self.plain.clone()
        else:
            plain = self.gradients(mix, stems)
        self.update()
        return plain

    def update(self):
        """Gradients averaged over GPUs, clipped at a multiple of their usual norm, dropped where not finite; then EMA."""
        grad = self.flat.grad
        if self.world > 1:
            dist.all_reduce(grad)
            grad /= self.world
        norm = grad.norm()
        finite = torch.isfinite(norm)
        grad.nan_to_num_(0, 0, 0).mul_(torch.where(finite, torch.clamp(2 * self.norms / (norm + 1e-9), max=1.0), 0.0))
        kept = torch.where(finite, torch.minimum(norm, 4 * self.norms), self.norms)
        self.norms = 0.98 * self.norms + 0.02 * kept if self.step else torch.where(finite, norm, self.norms)
        self.optimiser.param_groups[0]["lr"] = self.learning_rate()
        self.optimiser.step()
        self.aiming.replay() if self.aiming else self.muon.aim(grad)
        self.muon.move(self.flat, self.learning_rate(), self.a.decay)
        keep = min(self.a.ema, (self.step + 1) / (self.step + 10))
        self.flat_average.lerp_(self.flat, 1 - keep)
        self.step += 1

    def save(self):
        state = {
            "model": self.model.state_dict(), "average": self.average.state_dict(), "step": self.step,
            "optimiser": self.optimiser.state_dict(), "momentum": self.muon.momentum, "elapsed": self.elapsed,
            "norms": self.norms,
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
        self.muon.momentum.copy_(state["momentum"])
        self.step, self.elapsed, self.norms = state["step"], state["elapsed"], state["norms"]

    def learning_rate(self):
        left = max(0.0, 1 - self.elapsed / self.a.seconds)
        return self.a.lr * min(1.0, (self.step + 1) / self.a.warmup, left / max(1e-9, 1 - self.a.hold))

    def floor_now(self):
        """The loss's floor: --floor up to --floor-hold of the time, then geometrically to --floor-end."""
        falling = max(0.0, min(1.0, self.elapsed / self.a.seconds) - self.a.floor_hold) / max(1e-9, 1 - self.a.floor_hold)
        return self.a.floor * (self.a.floor_end / self.a.floor) ** falling

    def shared_clock(self, started):
        """The first process's clock, so that all stop at the same step, and its weights. OUT/seconds (a new total) and OUT/lr
        (a new peak) may appear while training runs."""
        wishes = []
        for name, value in (("seconds", self.a.seconds), ("lr", self.a.lr)):
            wish = self.a.out / name
            wishes.append(float(wish.read_text()) if wish.exists() else value)
        now = torch.tensor([time.monotonic() - started, *wishes], dtype=torch.float64, device=self.device)
        if self.world > 1:
            dist.broadcast(now, 0)
            dist.broadcast(self.flat, 0)  # products in bfloat16 need not be equal to the last bit on every GPU
        seconds, self.a.seconds, self.a.lr = now.tolist()
        return seconds

    def log(self, **values):
        if self.rank == 0:
            line = json.dumps(values)
            print(line, flush=True)
            with open(self.a.out / "log.jsonl", "a") as file:
                file.write(line + "\n")

    def judged(self, validation):
        return validation.judge(lambda mix: self.run(self.average, mix)) if self.rank == 0 else {}

    def wait_for(self, pool, wanted):
        begun = time.monotonic()
        while pool.count < wanted:
            time.sleep(0.2)
            if time.monotonic() - begun > self.a.patience:
                raise SystemExit(f"only {pool.count} of {wanted} songs came in {self.a.patience} s: is the farm running?")
        if self.world > 1:
            dist.barrier()
        return round(time.monotonic() - begun, 1)

    def train(self):
        a = self.a
        frames = int(a.crop_s * 44100)
        pool = Pool(a.pool, a.capacity, int(a.song_s * 44100), self.device, self.rank, self.world)
        begun = time.monotonic()
        self.capture(frames)
        prepared = round(time.monotonic() - begun, 1)
        waited = self.wait_for(pool, min(a.min_songs, a.capacity))
        validation = Validation(a.pool / "valid", a.batch, self.device)
        self.log(event="start", songs=pool.added, prepared_s=prepared, waited_s=waited, valid=self.judged(validation))
        batches = prefetched(lambda: examples(pool, self.rng, a.batch, frames, a.sparse), self.device)
        started = time.monotonic() - self.elapsed
        saved = judged = shown = self.elapsed
        losses, first = [], self.step
        while self.elapsed < a.seconds and self.step < a.max_steps:
            losses.append(self.one_step(*next(batches)))
            if self.step % 5 == 0:
                self.elapsed = self.shared_clock(started)
            if self.elapsed - shown > a.log_every:
                self.log(step=self.step, t=round(self.elapsed, 1), loss=round(float(torch.stack(losses).mean()), 4),
                         lr=round(self.learning_rate(), 6), norm=round(float(self.norms), 4), songs=pool.added * self.world,
                         rate=round((self.step - first) / max(1e-3, self.elapsed - shown), 2))  # fmt: skip
                losses, shown, first = [], self.elapsed, self.step
            if self.rank == 0 and self.elapsed - judged > a.judge_every:
                self.log(step=self.step, t=round(self.elapsed, 1), valid=self.judged(validation))
                judged = self.elapsed
            if self.rank == 0 and self.elapsed - saved > a.save_every:
                self.save()
                saved = self.elapsed
        if self.rank == 0:
            self.save()
            self.log(event="end", step=self.step, t=round(self.elapsed, 1), songs=pool.added * self.world,
                     valid=self.judged(validation))  # fmt: skip
        if self.world > 1:
            dist.barrier()
            dist.destroy_process_group()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("pool", type=Path)
    ap.add_argument("out", type=Path)
    ap.add_argument("--seconds", type=float, default=1200)
    ap.add_argument("--max-steps", type=int, default=10**9)
    ap.add_argument("--batch", type=int, default=8, help="a GPU")
    ap.add_argument("--crop-s", type=float, default=float(checkpoint.SEGMENT))
    ap.add_argument("--song-s", type=float, default=24.0)
    ap.add_argument("--capacity", type=int, default=2400, help="songs a GPU, 25 MB each")
    ap.add_argument("--min-songs", type=int, default=200)
    ap.add_argument("--patience", type=float, default=120, help="seconds to wait for --min-songs")
    ap.add_argument("--sparse", type=float, default=0.08, help="part of the examples in which only one to three stems sound")
    ap.add_argument("--channels", type=int, default=24)
    ap.add_argument("--t-layers", type=int, default=3)
    ap.add_argument("--optimiser", choices=("muon", "adamw"), default="muon", help="of matrices and kernels")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--hold", type=float, default=0.3, help="part of the time before the learning rate starts to fall")
    ap.add_argument("--floor", type=float, default=FLOOR, help="of the loss, over the mix's power")
    ap.add_argument("--floor-end", type=float, default=0.01)
    ap.add_argument("--floor-hold", type=float, default=0.5, help="part of the time before the floor starts to fall")
    ap.add_argument("--decay", type=float, default=0.02, help="of weights, in learning rates a step; Muon's alone, if it is used")
    ap.add_argument("--warmup", type=int, default=500)
    ap.add_argument("--ema", type=float, default=0.998)
    ap.add_argument("--log-every", type=float, default=15)
    ap.add_argument("--judge-every", type=float, default=30)
    ap.add_argument("--save-every", type=float, default=60)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--init", type=Path, help="start from a model's weights")
    ap.add_argument("--frozen", nargs="*", default=[], metavar="PREFIX", help="parameters whose names begin so stay as they are")
    ap.add_argument("--resume", action="store_true")
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        trainer = Trainer(a)
    except ValueError as error:
        ap.error(str(error))
    trainer.train()


if __name__ == "__main__":
    main()
