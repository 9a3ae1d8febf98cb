"""Tries what people install on a machine with an NVIDIA GPU: the bundles, set up as the plugin does it, in real hosts.

Needs no Rust and no network there: everything is built and fetched elsewhere and brought along.

    cargo xtask bundle
    cargo test --release -p sextet-plugin --no-run --test song --test vst3_song    # each prints where its program is
    cargo build --release -p sextet-plugin --example stop_to_stems
    pip download --no-deps tensorrt-rtx-cu13-libs==1.6.1.120
    python benches/installed.py --bundled target/bundled --wheel FILE.whl --hosts FOLDER --out results

FOLDER holds the programs under the names song, vst3_song and stop_to_stems. The song is the bundled one, repeated to three
minutes; `--song` names another. Everything is kept below `--out`, which is best in memory (/dev/shm). The table comes last.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parent / "samples/six-of-one.flac"
STEMS = ["drums", "bass", "other", "vocals", "guitar", "piano"]


class Trial:
    def __init__(self, a):
        self.a, self.rows, self.failed = a, [], []
        self.sextet = (a.bundled / "sextet").resolve()
        self.environment = os.environ | {"SEXTET_CACHE": str(a.out / "cache"), "SEXTET_DATA": str(a.out / "data")}
        for name in ("SEXTET_TENSORRT", "SEXTET_COMMAND"):
            self.environment.pop(name, None)

    def row(self, *cells):
        self.rows.append(" | ".join(str(cell) for cell in cells))
        print(self.rows[-1], flush=True)

    def expect(self, what, holds, found):
        if not holds:
            self.failed.append(f"{what}: {found}")
        self.row(what, "yes" if holds else "NO", found)

    def run(self, name, command, patience=300, **environment):
        """Runs a command; its exit code, output and seconds. What it said is kept in a file."""
        begun = time.monotonic()
        try:
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=patience,
                                  env=self.environment | environment)  # fmt: skip
            code, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            code, out, err = "out of time", str(late.stdout), str(late.stderr)
        took = time.monotonic() - begun
        (self.a.out / f"{name}.txt").write_text(f"{command}\nexit {code}, {took:.3f} s\n{out}\n--- stderr\n{err}")
        return code, out, err, took

    def worker(self):
        return Worker(self)

    # What is installed

    def setup(self):
        for path in sorted(self.a.bundled.rglob("*")):
            if path.is_file():
                self.row(path.relative_to(self.a.bundled), f"{path.stat().st_size / 1e6:.1f} MB")
        self.run("doctor-before", [self.sextet, "doctor"])
        with self.worker() as worker:
            gpu = worker.ask({"type": "inspect"})["machine"]["gpu"]
            self.expect("before: ready by CUDA kernels", (gpu["state"], gpu["engine"]) == ("ready", "cuda"), gpu["message"])
            told = worker.ask({"type": "set_up_gpu", "from": str(self.a.wheel.resolve())})
            gpu = told.get("gpu", told)
            self.expect("set up by the worker", gpu.get("state") == "ready", gpu.get("message", gpu))
            self.row("setting up took", f"{worker.seconds:.1f} s")
        code, out, _, _ = self.run("doctor", [self.sextet, "doctor", "--json"])
        engines = {engine["name"]: engine for engine in json.loads(out)["engines"]}
        self.expect("doctor: the GPU can be used", engines["tensorrt"]["usable"], engines["tensorrt"]["about"])

    def first_use(self):
        """A first song, with nothing built, and the building of TensorRT's engines ahead."""
        code, out, err, took = self.run("first-use", [self.sextet, "separate", SAMPLE, "-o", self.a.out / "first", "--json"])
        said = [json.loads(line) for line in out.splitlines()]
        start = next((line for line in said if line.get("event") == "start"), {})
        self.row("first song, nothing built, auto", f"{took:.1f} s", start.get("engine"), start.get("engine_note"))
        self.expect("the GPU does it at once", "CUDA kernels" in start.get("engine", ""), f"{took:.1f} s, {start.get('engine_note')}")
        shutil.rmtree(self.a.out / "first", ignore_errors=True)
        self.first_clip()
        for model in self.a.model:
            with self.worker() as worker:
                told = worker.ask({"type": "prepare", "model": model, "engine": "tensorrt"})
                self.expect(f"{model}: prepared", told["type"] == "prepared", told.get("engine", told))
                self.row(f"{model}: the first start of its engine", f"{worker.seconds:.1f} s")
                for phrase, seconds in worker.phrases:
                    self.row(f"{model}: {seconds:5.1f} s", phrase)

    def first_clip(self):
        """A clip that comes while its engine is prepared."""
        with self.worker() as worker:
            worker.say({"type": "prepare", "job": 1, "model": "sextet-mini", "engine": "auto"})
            worker.say({"type": "separate", "job": 2, "song": str(SAMPLE), "model": "sextet-mini", "engine": "auto"})
            begun, notes, ended = time.monotonic(), [], {}
            while len(ended) < 2:
                reply = worker.hear()
                if reply["type"] == "started":
                    notes.append(f"{reply['engine']}: {reply['note']}")
                if reply["type"] in ("prepared", "done", "failed", "cancelled"):
                    ended[reply["job"]] = (reply["type"], time.monotonic() - begun, reply.get("engine"))
            self.expect("a clip while its engine is prepared", ended[2][0] == "done",
                        f"clip {ended[2][1]:.1f} s, ready after {ended[1][1]:.1f} s, {notes}")  # fmt: skip
            self.expect("the engine is ready", ended[1][0] == "prepared" and "CUDA kernels" in str(ended[1][2]), ended[1])
            worker.job = 2
            told = worker.ask({"type": "separate", "song": str(SAMPLE), "model": "sextet-mini", "engine": "auto", "sum": "model"})
            self.expect("the next clip is on the GPU", told["type"] == "done" and worker.seconds < 5, f"{worker.seconds:.2f} s")

    # In hosts

    def in_hosts(self):
        """Variables by which the hosts find the bundles and this trial's folders."""
        return {"SEXTET_TEST_BUNDLED": str(self.a.bundled.resolve()), "CARGO_MANIFEST_DIR": str(HERE.parent / "plugin"),
                "SEXTET_TEST_CACHE": str(self.a.out / "cache"), "SEXTET_TEST_DATA": str(self.a.out / "data")}  # fmt: skip

    def hosts(self):
        common = self.in_hosts()
        lost = self.driver_that_fails()
        cases = [("song", "CLAP", "tensorrt", {}), ("vst3_song", "VST3", "tensorrt", {})]
        if lost:
            cases.append(("vst3_song", "VST3, the GPU is lost in the middle", "cpu", lost))
        for program, host, engine, more in cases:
            shutil.rmtree(self.a.out / "cache/stems", ignore_errors=True)
            name = f"host-{program}-{engine}"
            code, out, err, took = self.run(name, [self.a.hosts / program, "--nocapture"], SEXTET_TEST_ENGINE=engine, **common, **more)
            said = [line for line in out.splitlines() if "made by" in line or "against the" in line or "test result" in line]
            passed = code == 0 and any("ok. 1 passed" in line for line in said)
            self.expect(f"{host}: captured, separated by {engine}, equal to the command's stems", passed, f"{took:.1f} s")
            for line in dict.fromkeys(said):
                self.row(f"{host}:", line)

    def driver_that_fails(self):
        """Variables with which the driver stops answering in the middle of a song: see lost_gpu.c and gpu.py."""
        variables = self.stand_in("lost_gpu.c")
        return variables and variables | {"LOSE_GPU_AFTER": str(self.a.lose_after)}

    def stand_in(self, source):
        """Variables with which what `source` makes stands before the driver; None where it cannot be made."""
        real = subprocess.run(["sh", "-c", "ldconfig -p | grep -m1 'libcuda.so.1' | sed 's/.*=> //'"], capture_output=True, text=True)
        path = real.stdout.strip() or next((str(p) for p in Path("/usr/local/nvidia").rglob("libcuda.so.1")), "")
        compiler = shutil.which("gcc") or shutil.which("cc")
        if not path or not compiler:
            return self.row(f"{source}: not tried, no C compiler or no driver")
        folder = (self.a.out / "driver" / Path(source).stem).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for command in (
            [compiler, "-shared", "-x", "c", "/dev/null", "-o", folder / "real.so", f"-Wl,-soname,{Path(path).resolve()}"],
            [compiler, "-shared", "-fPIC", "-O2", HERE / source, "-o", folder / "libcuda.so.1", "-Wl,-soname,libcuda.so.1",
             "-Wl,--no-as-needed", folder / "real.so", "-ldl"],
        ):  # fmt: skip
            subprocess.run([str(word) for word in command], check=True, capture_output=True)
        (folder / "libcuda.so").unlink(missing_ok=True)
        (folder / "libcuda.so").symlink_to("libcuda.so.1")
        return {"LD_LIBRARY_PATH": f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}"}

    # Times of whole processes

    def times(self):
        for model in self.a.model:
            out = self.a.out / "stems"
            command = [self.sextet, "separate", self.a.song, "-m", model, "--engine", "tensorrt", "-o", out]
            self.repeat(f"{model}: MP3 to six WAVs, the whole process", lambda n: self.timed_run(f"whole-{n}", command, out))
            code, _, err, _ = self.run("timings", command, SEXTET_TIMINGS="1")
            self.row(f"{model}: where it went", *[line.strip() for line in err.splitlines()][-24:])
            shutil.rmtree(out, ignore_errors=True)
            for how in ("exact", "model"):
                with self.worker() as worker:
                    worker.ask({"type": "prepare", "model": model, "engine": "tensorrt"})
                    song = self.wav()
                    self.repeat(f"{model}: worker, request to stems in the cache, sum {how}",
                                lambda _: self.timed_job(worker, song, model, how))  # fmt: skip
        program = self.a.hosts / "stop_to_stems"
        if program.exists():
            command = [program, "--seconds", "180", "--engine", "tensorrt"]
            code, out, err, _ = self.run("stop-to-stems", command, SEXTET_COMMAND=str(self.sextet), **self.in_hosts())
            for line in (out if code == 0 else f"exit {code} {err[-300:]}").strip().splitlines():
                self.row("stop to stems", line)

    def repeat(self, name, measure):
        measure(0)
        spans = [measure(n + 1) for n in range(self.a.runs)]
        self.row(name, f"median {statistics.median(spans):.3f} s", f"{min(spans):.3f} to {max(spans):.3f}, {len(spans)} runs")

    def timed_run(self, name, command, out):
        shutil.rmtree(out, ignore_errors=True)
        code, _, err, took = self.run(name, command)
        assert code == 0, err
        return took

    def timed_job(self, worker, song, model, how):
        """One separation of a capture that the cache does not have."""
        shutil.rmtree(self.a.out / "cache/stems", ignore_errors=True)
        told = worker.ask({"type": "separate", "song": str(song), "model": model, "engine": "tensorrt", "sum": how})
        assert told["type"] == "done" and not told["cached"], told
        return worker.seconds

    def wav(self):
        """The song as a capture: float32, stereo."""
        with self.worker() as worker:
            told = worker.ask({"type": "import", "song": str(self.a.song)})
            return self.a.out / "data/captures" / f"{told['audio']}.wav"

    # Several engines, and what is in the way

    def several(self):
        batch = self.a.out / "batch"
        batch.mkdir(exist_ok=True)
        for n in range(8):
            shutil.copy(self.a.song, batch / f"song {n}{self.a.song.suffix}")
        out = self.a.out / "stems"
        alone = self.batch("one engine", batch, out, "0", {0})
        self.batch("two engines on one GPU", batch, out, "0,0", {0}, alone)
        self.batch("more engines than songs", SAMPLE, out, "0,0,0", {0})
        two = self.stand_in("two_gpus.c")
        if two:
            self.batch("one of two GPUs", batch, out, "1", {1}, alone, **two)
            self.batch("all of two GPUs", batch, out, "all", {0, 1}, alone, **two)
            code, text, err, _ = self.run("build-all", [self.sextet, "engine", "build", "--gpu", "all"], **two)
            self.expect("engine build --gpu all", code == 0 and "GPU 0 is ready" in text and "GPU 1 is ready" in text,
                        (text + err).strip().replace("\n", " / "))  # fmt: skip
        lost = self.stand_in("lost_gpu.c")
        if lost:
            shutil.rmtree(out, ignore_errors=True)
            command = [self.sextet, "separate", batch, "--gpu", "0,0", "-o", out, "--json"]
            code, text, err, took = self.run("lost-by-two", command, 600, LOSE_GPU_AFTER=str(20 + self.a.lose_after), **lost)
            said = [json.loads(line) for line in text.splitlines()]
            ends = [(line["index"], line["status"], line["gpu"]) for line in said if line.get("event") == "song_end"]
            warned = sum("the CPU takes over" in line["message"] for line in said if line.get("event") == "warning")
            self.expect("the GPU is lost under two engines: the CPU does the rest", code == 0 and len(ends) == 8 and warned > 0,
                        f"{took:.1f} s, {warned} warnings, {ends}")  # fmt: skip
        self.interrupted(batch, out)
        shutil.rmtree(out, ignore_errors=True)
        code, _, err, _ = self.run("gpu-7", [self.sextet, "separate", SAMPLE, "--gpu", "7", "-o", out])
        self.expect("--gpu 7 is refused", code not in (0, None), err.strip().replace("\n", " "))
        for value in ("", "-1", "7", "nonsense"):
            _, _, err, _ = self.run(f"visible-{value}", [self.sextet, "separate", SAMPLE, "--engine", "tensorrt", "-o", out], CUDA_VISIBLE_DEVICES=value)
            self.row(f"CUDA_VISIBLE_DEVICES='{value}'", err.strip().replace("\n", " "))
        library = next((self.a.out / "data/tensorrt").glob("libtensorrt_rtx.so*"))
        whole = library.read_bytes()
        library.write_bytes(whole[: len(whole) // 2])
        for command in (["doctor"], ["separate", SAMPLE, "-o", out, "--engine", "tensorrt"]):
            code, text, err, _ = self.run(f"cut-{command[0]}", [self.sextet, *command])
            found = [line for line in (text + err).splitlines() if "tensorrt" in line.lower()][:2]
            self.expect(f"a library that is cut, {command[0]}", code in (0, 4), f"exit {code} {' / '.join(found)}")
        library.write_bytes(whole)


    def batch(self, name, songs, out, gpus, expected, alone=None, **environment):
        """Separates `songs` on `gpus`. Its stems, by their names; they have to be those of `alone`, and all told in order."""
        shutil.rmtree(out, ignore_errors=True)
        command = [self.sextet, "separate", songs, "--gpu", gpus, "--engine", "tensorrt", "-o", out, "--json"]
        code, text, err, took = self.run(f"batch-{name.replace(' ', '-')}", command, **environment)
        said = [json.loads(line) for line in text.splitlines()]
        ends = [line for line in said if line.get("event") == "song_end"]
        count = 1 if songs == SAMPLE else 8
        done = [end["status"] for end in ends] == ["done"] * count
        self.expect(f"{name}: all songs are done", code == 0 and done, f"{took:.2f} s, exit {code} {err.strip()[-300:]}")
        order = [end["index"] for end in ends]
        self.expect(f"{name}: told in order", order == sorted(order), order)
        used = {end["gpu"] for end in ends}
        engines = next((len(line["engines"]) for line in said if line.get("event") == "start"), 0)
        lanes = {"0": 1, "1": 1, "0,0": 2, "all": 2}.get(gpus, 1)
        self.expect(f"{name}: on the GPUs that were named", used == expected and engines == lanes, f"{used}, {engines} engines")
        stems = {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in out.rglob("*.wav")}
        if alone is not None:
            differ = [stem for stem in alone if stems.get(stem) != alone[stem]]
            self.expect(f"{name}: the stems of one engine", stems.keys() == alone.keys() and not differ, f"{len(stems)} stems, {len(differ)} differ")
        return stems

    def interrupted(self, batch, out):
        """Ctrl-C while two engines are at work."""
        shutil.rmtree(out, ignore_errors=True)
        command = [self.sextet, "separate", batch, "--gpu", "0,0", "--engine", "tensorrt", "-o", out, "--overlap", "0.9"]
        child = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment)
        begun = time.monotonic()
        while len(list(out.rglob(".sextet-*.part"))) < 12 and child.poll() is None and time.monotonic() - begun < 60:
            time.sleep(0.01)
        asked = time.monotonic()
        child.send_signal(signal.SIGINT)
        code, left = child.wait(30), [str(path) for path in out.rglob("*") if ".sextet-" in path.name]
        self.expect("Ctrl-C with two songs under way", code == 130 and not left, f"exit {code} after {time.monotonic() - asked:.2f} s, left: {left}")


class Worker:
    """The command's worker, spoken to as the plugin does."""

    def __init__(self, trial):
        self.trial, self.job, self.seconds, self.phrases = trial, 0, 0.0, []

    def __enter__(self):
        log = open(self.trial.a.out / "worker.log", "a")
        self.child = subprocess.Popen([self.trial.sextet, "worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=log, text=True, env=self.trial.environment)  # fmt: skip
        self.say({"type": "hello", "protocol": 2, "client": "installed.py"})
        assert self.hear()["type"] == "hello"
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait()

    def say(self, request):
        self.child.stdin.write(json.dumps(request) + "\n")
        self.child.stdin.flush()

    def hear(self):
        return json.loads(self.child.stdout.readline())

    def ask(self, request):
        """Asks, and gives the last reply; how long it took is in `seconds`, what was said on the way in `phrases`."""
        self.job, self.phrases, begun = self.job + 1, [], time.monotonic()
        self.say({**request, "job": self.job})
        middle = ("queued", "loading", "started", "progress", "warning")
        while (reply := self.hear())["type"] in middle:
            if reply["type"] == "loading" and (not self.phrases or self.phrases[-1][0] != reply["what"]):
                self.phrases.append((reply["what"], time.monotonic() - begun))
        self.seconds = time.monotonic() - begun
        return reply


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bundled", required=True, type=Path, help="what `cargo xtask bundle` has made")
    ap.add_argument("--wheel", required=True, type=Path)
    ap.add_argument("--hosts", required=True, type=Path)
    ap.add_argument("--song", required=True, type=Path, help="three minutes of MP3")
    ap.add_argument("--model", action="append", help="a model to be timed; sextet-mini unless others are named")
    ap.add_argument("--out", type=Path, default=Path("/dev/shm/installed"))
    ap.add_argument("--runs", type=int, default=10)
    ap.add_argument("--lose-after", type=int, default=2, help="waits after which the GPU is lost: the self-test is one")
    ap.add_argument("--only", default="setup,first_use,hosts,times,several")
    a = ap.parse_args()
    a.model = a.model or ["sextet-mini"]
    a.out.mkdir(parents=True, exist_ok=True)
    trial = Trial(a)
    trial.row(subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True).stdout.strip())
    for part in a.only.split(","):
        try:
            getattr(trial, part)()
        except Exception as error:
            trial.failed.append(f"{part}: {type(error).__name__}: {error}")
    print("\n" + "\n".join(trial.rows) + "\n" + ("all as it should be" if not trial.failed else "FAILED\n" + "\n".join(trial.failed)))
    (a.out / "table.txt").write_text("\n".join([*trial.rows, *trial.failed]) + "\n")
    return len(trial.failed) > 0


if __name__ == "__main__":
    raise SystemExit(main())
