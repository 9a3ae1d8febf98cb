"""Times the official six-stem shape on an NVIDIA GPU: Sextet against demucs and PyTorch, in one run.

Needs no Rust: the command is built elsewhere (`cargo build --release --features tensorrt`) and brought along.

    pip install torch demucs==4.1.0
    python benches/gpu.py --sextet target/release/sextet --song samples/six-of-one.flac --out results

Weights are random: the official ones cannot be bundled, and speed does not depend on them. `results` gets what every command
said, the layers' times, the table and `times.json`, from which `benches/plot_gpu.py` draws. The table comes last.
"""

import argparse
import json
import os
import re
import shutil
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
        self.rows, self.times = [], {}

    def left(self):
        return self.a.limit - (time.monotonic() - self.began)

    def sextet(self, name, *arguments, **environment):
        """Runs the command; the lines of JSON that it printed. A failure is recorded and stops nothing."""
        if self.left() < 5:
            self.note(f"{name}: no time left")
            return []
        begun = time.monotonic()
        try:
            done = subprocess.run([self.a.sextet, *map(str, arguments)], capture_output=True, text=True,
                                  timeout=self.left(), env=os.environ | environment)  # fmt: skip
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
        for line in self.sextet(name, "engine", "bench", "--engine", self.kind(more), "-m", model, "--batch", batches, "--json", *more):
            if line["event"] == "batch":
                self.times[f"Sextet, {name}, batch {line['batch']}"] = line
                self.row(
                    f"Sextet, {name}, batch {line['batch']}", f"{line['chunk_ms']:.3f} ms a chunk",
                    f"180 s in {line['separated_s']:.3f} s (best {line['separated_best_s']:.3f})",
                    f"start {line['start_s']:.2f} s, again {line['second_start_s']:.2f} s", f"{line['memory_bytes'] / 1e6:.0f} MB",
                )  # fmt: skip

    def kind(self, flags):
        """The engine that is measured; float32 and single layers are TensorRT's alone."""
        return "tensorrt" if {"--fp32", "--layers"} & set(map(str, flags)) else self.a.engine

    def check(self, name, model, *more, song=None, **environment):
        kind = "tensorrt" if environment else self.kind(more)
        for line in self.sextet(name, "engine", "check", "--engine", kind, song or self.a.song, "-m", model, "--json", *more, **environment):
            worst = max(line["stems"], key=lambda stem: stem["relative_error"])
            finite = all(stem["finite"] for stem in line["stems"])
            self.row(f"{name}: {line['engine']} against {line['against']}", f"worst stem {worst['relative_error']:.2e} ({worst['stem']})", "finite" if finite else "NOT FINITE")

    def says(self, name, words, *arguments):
        """The lines with `words` among those that are printed for people."""
        self.sextet(name, *arguments)
        heard = (self.a.out / (re.sub("[^a-z0-9]+", "-", name) + ".txt")).read_text()
        self.row(name, *[line for line in heard.splitlines() if words in line])

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
        self.times["demucs apply_model, float32"] = {"separated_s": seconds, "song_s": self.a.seconds}
        half = model.half()
        for batch in (1, 4, 8):
            self.half(half, batch, "eager")
        if self.a.compile and self.left() > 150:
            compiled = torch.compile(half, dynamic=False)
            self.half(compiled, self.a.compile, "compiled")

    def half(self, model, batch, how):
        """float16 weights, and autocast for what has to be float32: norms, softmax, Fourier transforms."""
        import torch

        frames = int(SEGMENT * 44100)
        mix = torch.randn(batch, 2, frames, device="cuda") * 0.1
        def run():
            with torch.no_grad(), torch.autocast("cuda", torch.float16):
                model(mix)
            torch.cuda.synchronize()
        try:
            chunk_ms = self.timed(run, 10) / batch * 1e3
            self.row(f"PyTorch float16, {how}, batch {batch}", f"{chunk_ms:.2f} ms a chunk")
            self.times[f"PyTorch float16, {how}, batch {batch}"] = {"chunk_ms": chunk_ms}
        except Exception as error:
            self.note(f"PyTorch {how} batch {batch}: {type(error).__name__}: {str(error)[:200]}")

    def hard(self, model):
        """Signals on which half precision breaks first. The CPU engine runs them in float32."""
        import numpy as np
        from scipy.io import wavfile

        frames, rng = 10 * 44100, np.random.default_rng(0)
        t = np.arange(frames) / 44100
        tone = 0.3 * np.sin(2 * np.pi * 220 * t) * (1 + 0.5 * np.sin(2 * np.pi * 2 * t)) + 0.02 * rng.standard_normal(frames)
        click = np.zeros(frames)
        click[frames // 2] = 1
        signals = {
            "silence": np.zeros(frames), "full-scale square wave": np.sign(np.sin(2 * np.pi * 110 * t)),
            "one sample": click, "denormals": tone * 1e-39, "tone with a DC offset": tone + 0.5,
            "tone 48 dB louder": tone * 10 ** (48 / 20), "full-scale noise": rng.uniform(-1, 1, frames),
        }  # fmt: skip
        for name, signal in signals.items():
            path = self.a.out / (re.sub("[^a-z0-9]+", "-", name) + ".wav")
            wavfile.write(path, 44100, np.stack([signal, signal * 0.9], 1).astype(np.float32))
            self.check(f"{Path(model).stem}: {name}", model, "--batch", 4, song=path)
            path.unlink()

    def long(self):
        """Memory of the host for three minutes and for three hours of song."""
        import numpy as np
        from scipy.io import wavfile

        for minutes in (3, 180):
            rng, frames = np.random.default_rng(0), 44100 * 60
            t = np.arange(frames) / 44100
            minute = 0.2 * np.sin(2 * np.pi * 220 * t * (1 + 0.1 * np.sin(t))) + 0.05 * rng.standard_normal(frames)
            minute = (np.stack([minute, minute[::-1]], 1) * 32767).astype(np.int16)
            path = self.a.out / "long.wav"
            wavfile.write(path, 44100, np.tile(minute, (minutes, 1)))
            command = ["separate", path, "-o", self.a.out / "long", "--stems", "vocals", "--bits", "16", "-q"]
            begun, peak_kb = time.monotonic(), 0
            child = subprocess.Popen([self.a.sextet, *map(str, command)])
            # Not from the child's resource usage: that counts what this process held when it started the child.
            while child.poll() is None:
                held = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{child.pid}/status").read_text())
                peak_kb = int(held[1]) if held else peak_kb
                time.sleep(0.05)
            self.row(f"mini, {minutes} minutes from file to file, one stem", f"{time.monotonic() - begun:.1f} s",
                     f"exit {child.returncode}", f"{peak_kb / 1e3:.0f} MB of the host at most")  # fmt: skip
            path.unlink()
            shutil.rmtree(self.a.out / "long", ignore_errors=True)

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
    ap.add_argument("--engine", choices=["cuda", "tensorrt"], default="cuda", help="the engine that is measured")
    ap.add_argument("--out", type=Path, default=Path("results"))
    ap.add_argument("--seconds", type=float, default=180)
    ap.add_argument("--batch", default="4,8")
    ap.add_argument("--limit", type=float, default=1800, help="seconds after which nothing new is begun")
    ap.add_argument("--compile", type=int, metavar="BATCH", help="torch.compile too: two minutes more")
    ap.add_argument("--only", default="doctor,official,layers,peers,checks,float32,mini,hard,long")
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
        bench.engine("official", official, a.batch, "--seconds", a.seconds, *(["--layers"] if "layers" in parts else []))
    if "peers" in parts:
        bench.peers()
    if "checks" in parts:
        bench.check("mini, whole song", "sextet-mini", "--batch", 4)
        bench.check("official, one chunk", official, "--single-chunk", "--batch", 4)
        bench.check("official, one chunk, --fp32", official, "--single-chunk", "--fp32", "--batch", 1)
        one = ("--single-chunk", "--batch", 1)
        bench.says("shaken, one chunk, as it is", "float16 would", "engine", "check", a.song, "-m", shaken, *one)
        bench.check("shaken, one chunk, without TF32", shaken, *one, NVIDIA_TF32_OVERRIDE="0")
        bench.says("shaken, separated", "CPU", "separate", a.song, "-m", shaken, "-o", a.out / "shaken", "--single-chunk")
    if "float32" in parts:
        bench.engine("official, float32", official, "1,4", "--fp32", "--seconds", a.seconds)
    if "mini" in parts:
        bench.engine("mini", "sextet-mini", "4", "--seconds", a.seconds)
    if "hard" in parts:
        bench.hard("sextet-mini")
        bench.hard(official)
    if "long" in parts:
        bench.long()
    (a.out / "times.json").write_text(json.dumps(bench.times, indent=1))
    (a.out / "table.txt").write_text("\n".join(bench.rows) + "\n")
    print("\n" + "\n".join(bench.rows))


if __name__ == "__main__":
    main()
