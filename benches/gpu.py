"""Times the official six-stem shape on an NVIDIA GPU: Sextet with TensorRT against demucs and PyTorch, in one run.

Needs no Rust: the command is built elsewhere (`cargo build --release --features tensorrt`) and brought along.

    pip install torch demucs==4.1.0
    python benches/gpu.py --sextet target/release/sextet --song samples/six-of-one.flac --out results

Weights are random: the official ones cannot be bundled, and speed does not depend on them. `results` gets every line that
was measured, as JSON, and the layers' times; the table comes last.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import time
from fractions import Fraction
from pathlib import Path

SOURCES = ["drums", "bass", "other", "vocals", "guitar", "piano"]
SEGMENT = Fraction(39, 5)


def shake(model):
    """Weights that hide nothing: every scale, gain and bias counts, which they do not as they are initialised."""
    import torch

    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1 and (name.endswith("scale") or "gamma" in name):
                p.copy_(0.3 + 0.4 * torch.rand(p.shape, generator=g))
            elif p.ndim == 1 and name.endswith("weight"):
                p.copy_(0.7 + 0.6 * torch.rand(p.shape, generator=g))
            elif p.ndim == 1:
                p.copy_(0.1 * torch.randn(p.shape, generator=g))
            else:
                p.copy_(torch.randn(p.shape, generator=g) * (1.75 / p[0].numel() ** 0.5))


def model_of(shaken):
    import torch
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(0)
    model = HTDemucs(sources=SOURCES, dconv_mode=3, segment=SEGMENT).eval()
    if shaken:
        shake(model)
    return model


def write_checkpoint(path, shaken):
    from safetensors.torch import save_file

    segment = {"_type": "fraction", "numerator": SEGMENT.numerator, "denominator": SEGMENT.denominator}
    kwargs = dict(sources=SOURCES, dconv_mode=3, segment=segment)
    metadata = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(kwargs)}
    state = {k: v.contiguous() for k, v in model_of(shaken).state_dict().items()}
    save_file(state, path, metadata=metadata)


class Bench:
    def __init__(self, a):
        self.a, self.began = a, time.monotonic()
        a.out.mkdir(parents=True, exist_ok=True)
        self.log = open(a.out / "log.txt", "a")
        self.rows = []

    def left(self):
        return self.a.limit - (time.monotonic() - self.began)

    def sextet(self, name, *arguments):
        """Runs the command; the lines of JSON that it printed. A failure is recorded and stops nothing."""
        if self.left() < 5:
            self.note(f"{name}: no time left")
            return []
        begun = time.monotonic()
        try:
            done = subprocess.run([self.a.sextet, *map(str, arguments)], capture_output=True, text=True, timeout=self.left())
            out, err, code = done.stdout, done.stderr, done.returncode
        except subprocess.TimeoutExpired as late:
            out, err, code = (late.stdout or b"").decode(), (late.stderr or b"").decode(), "out of time"
        took = time.monotonic() - begun
        (self.a.out / (re.sub("[^a-z0-9]+", "-", name) + ".txt")).write_text(out + "\n--- stderr\n" + err)
        if code != 0:
            self.note(f"{name}: exit {code}: {err.strip()[-400:]}")
        self.note(f"{name}: {took:.1f} s")
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    def note(self, text):
        print(text, flush=True)
        self.log.write(text + "\n")
        self.log.flush()

    def row(self, *cells):
        self.rows.append(" | ".join(cells))
        self.log.write(self.rows[-1] + "\n")
        self.log.flush()

    def engine(self, name, model, batches, *more):
        for line in self.sextet(name, "engine", "bench", "-m", model, "--batch", batches, "--json", *more):
            if line["event"] == "batch":
                self.row(
                    f"Sextet, {name}, batch {line['batch']}", f"{line['chunk_ms']:.3f} ms a chunk",
                    f"180 s in {line['separated_s']:.3f} s (best {line['separated_best_s']:.3f})",
                    f"start {line['start_s']:.2f} s, again {line['second_start_s']:.2f} s", f"{line['memory_bytes'] / 1e6:.0f} MB",
                )  # fmt: skip

    def check(self, name, model, *more):
        for line in self.sextet(name, "engine", "check", self.a.song, "-m", model, "--json", *more):
            worst = max(line["stems"], key=lambda stem: stem["relative_error"])
            finite = all(stem["finite"] for stem in line["stems"])
            self.row(f"{name}", f"worst stem {worst['relative_error']:.2e} ({worst['stem']})", "finite" if finite else "NOT FINITE")

    def peers(self):
        import torch
        from demucs.apply import apply_model

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        model = model_of(False).cuda()
        song = torch.randn(1, 2, int(self.a.seconds * 44100)) * 0.1
        def whole():
            with torch.no_grad():
                apply_model(model, song, device="cuda", shifts=0)
            torch.cuda.synchronize()
        seconds = self.timed(whole, 3)
        self.row("demucs apply_model, float32", "", f"{self.a.seconds:.0f} s in {seconds:.3f} s")
        half = model.half()
        for batch in (1, 4, 8):
            self.half(half, batch, "eager")
        if self.a.compile and self.left() > 150:
            compiled = torch.compile(half, dynamic=False)
            self.half(compiled, 8, "compiled")

    def half(self, model, batch, how):
        """float16 with the Fourier transforms in float32, which have no half on the GPU."""
        import torch

        frames = int(SEGMENT * 44100)
        mix = torch.randn(batch, 2, frames, device="cuda") * 0.1
        def run():
            with torch.no_grad(), torch.autocast("cuda", torch.float16):
                model(mix)
            torch.cuda.synchronize()
        try:
            self.row(f"PyTorch autocast float16, {how}, batch {batch}", f"{self.timed(run, 10) / batch * 1e3:.2f} ms a chunk")
        except Exception as error:
            self.note(f"PyTorch {how} batch {batch}: {type(error).__name__}: {str(error)[:200]}")

    @staticmethod
    def timed(run, times):
        run()
        spans = []
        for _ in range(times):
            begun = time.perf_counter()
            run()
            spans.append(time.perf_counter() - begun)
        return statistics.median(spans)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--sextet", required=True)
    ap.add_argument("--song", required=True, type=Path)
    ap.add_argument("--out", type=Path, default=Path("results"))
    ap.add_argument("--seconds", type=float, default=180)
    ap.add_argument("--batch", default="4,8")
    ap.add_argument("--limit", type=float, default=1800, help="seconds after which nothing new is begun")
    ap.add_argument("--compile", action="store_true", help="torch.compile too: two minutes more")
    ap.add_argument("--only", default="doctor,official,mini,checks,peers")
    a = ap.parse_args()
    bench, parts = Bench(a), a.only.split(",")
    bench.note(subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout.strip())
    official, shaken = (Path(os.environ.get("TMPDIR", "/tmp")) / f"{name}.safetensors" for name in ("official", "shaken"))
    for path, how in ((official, False), (shaken, True)):
        if not path.exists():
            write_checkpoint(path, how)
    if "doctor" in parts:
        bench.sextet("doctor", "doctor")
    if "official" in parts:
        bench.engine("official", official, a.batch, "--seconds", a.seconds, "--layers")
    if "checks" in parts:
        bench.check("mini, whole song, float16 against the CPU", "sextet-mini")
        bench.check("official, one chunk, float16 against the CPU", official, "--single-chunk")
        bench.check("shaken, one chunk, float16 against the CPU", shaken, "--single-chunk")
        bench.check("official, one chunk, float32 against the CPU", official, "--single-chunk", "--fp32", "--batch", 1)
    if "mini" in parts:
        bench.engine("mini", "sextet-mini", "4", "--seconds", a.seconds)
    if "peers" in parts:
        bench.peers()
    print("\n" + "\n".join(bench.rows))


if __name__ == "__main__":
    main()
