"""Tries what people install on a machine with an NVIDIA GPU: the bundles, set up as the plugin does it, in real hosts.

Needs no Rust and no network there: everything is built and fetched elsewhere and brought along.

    cargo xtask bundle
    cargo test --workspace --features sextet-cli/tensorrt --no-run    # prints where the programs song and vst3_song are
    cargo build --release -p sextet-plugin --example stop_to_stems
    pip download --no-deps tensorrt-rtx-cu13-libs==1.6.1.120
    python benches/installed.py --bundled target/bundled --hosts FOLDER --song 180s.mp3 --wheel FILE.whl

FOLDER holds the programs under the names song, vst3_song and stop_to_stems. Without `--wheel` TensorRT is left out. Everything
is kept below `--out`, which is best in memory (/dev/shm). The table comes last. What happens when something fails is tried by
gpu_faults.py.
"""

import argparse
import json
import shutil
import signal
import statistics
import subprocess
import time
from pathlib import Path

from trial import NAMES, ROOT, SAMPLE, Trial, leftovers, write_official



class Installed(Trial):
    def __init__(self, a):
        super().__init__(a.bundled / "sextet", a.out, a.driver)
        self.a, self.engines = a, a.engines.split(",")

    # What is installed

    def setup(self):
        for path in sorted(self.a.bundled.rglob("*")):
            if path.is_file():
                self.row(path.relative_to(self.a.bundled), f"{path.stat().st_size / 1e6:.1f} MB")
        self.run("doctor-before", [self.sextet, "doctor"])
        with self.worker() as worker:
            gpu = worker.ask({"type": "inspect"})["machine"]["gpu"]
            self.expect("the GPU is ready as it comes", (gpu["state"], gpu["engine"], gpu["setup"]) == ("ready", "cuda", None), gpu["message"])
            if "tensorrt" in self.engines:
                told = worker.ask({"type": "set_up_gpu", "from": str(self.a.wheel.resolve())})
                self.expect("TensorRT is set up by the worker", told["type"] == "gpu_set_up", f"{worker.seconds:.1f} s, {told}")
        code, out, _, _ = self.run("doctor", [self.sextet, "doctor", "--json"])
        engines = {engine["name"]: engine for engine in json.loads(out)["engines"]}
        for name in self.engines:
            self.expect(f"doctor: {name} can be used", engines[name]["usable"], engines[name]["about"])

    def first_use(self):
        """A first song, with nothing kept, and the starts of engines ahead of any song."""
        first = self.separate("first-use", SAMPLE)
        self.expect("a first song is done by CUDA kernels at once", first.by("cuda"), first.told())
        self.first_clip()
        for engine in self.engines:
            for model in self.a.model:
                with self.worker() as worker:
                    told = worker.ask({"type": "prepare", "model": model, "engine": engine})
                    made = told["type"] == "prepared" and NAMES[engine] in told["engine"]
                    self.expect(f"{Path(model).stem}, {engine}: its first start in a worker", made, f"{worker.seconds:.2f} s, {told.get('engine', told)}")
                    for phrase, seconds in worker.phrases:
                        self.row(f"{Path(model).stem}, {engine}: after {seconds:.1f} s", phrase)

    def first_clip(self):
        """A clip that comes while its engine is prepared."""
        with self.worker() as worker:
            worker.say({"type": "prepare", "job": 1, "model": "sextet-mini", "engine": "auto"})
            worker.say({"type": "separate", "job": 2, "song": str(SAMPLE), "model": "sextet-mini", "engine": "auto"})
            begun, ended = time.monotonic(), {}
            while len(ended) < 2:
                reply = worker.hear()
                if reply["type"] in ("prepared", "done", "failed", "cancelled"):
                    ended[reply["job"]] = (reply["type"], time.monotonic() - begun, reply.get("engine"))
            self.expect("a clip while its engine is prepared", (ended[1][0], ended[2][0]) == ("prepared", "done"),
                        f"engine after {ended[1][1]:.2f} s, clip after {ended[2][1]:.2f} s, {ended[1][2]}")  # fmt: skip

    # In hosts

    def in_hosts(self):
        """Variables by which the hosts find the bundles and this trial's folders."""
        return {"SEXTET_TEST_BUNDLED": str(self.a.bundled.resolve()), "CARGO_MANIFEST_DIR": str(ROOT / "plugin"),
                "SEXTET_TEST_CACHE": str(self.out / "cache"), "SEXTET_TEST_DATA": str(self.out / "data")}  # fmt: skip

    def hosts(self):
        for engine in self.engines:
            for program, host in (("song", "CLAP"), ("vst3_song", "VST3")):
                self.host(f"{host} host, {engine}", program, engine, SEXTET_TEST_ENGINE=engine)

        # How often the plugin's worker waits for the GPU: its last wait is for the song.
        def once(**variables):
            self.host("VST3 host, auto, waits counted", "vst3_song", "cuda", SEXTET_TEST_ENGINE="cuda", SEXTET_TEST_CHOICE="auto", **variables)

        waits = self.waits(once).get("worker", 0)
        self.expect("the worker waits for the GPU at its start and in the song", waits > 1, waits)
        for after, when in ((waits - 1, "in the middle"), (0, "at the start")):
            lost = self.losing(after)
            if lost:
                self.host(f"VST3 host, the GPU is lost {when}", "vst3_song", "cpu", SEXTET_TEST_ENGINE="cpu", SEXTET_TEST_CHOICE="auto", **lost)

    def host(self, name, program, engine, **more):
        """Runs a host's test: it captures the song, and the buses have to carry the command's stems by `engine`."""
        self.forget_stems()
        code, out, err, took = self.run(name, [self.a.hosts / program, "--nocapture"], **self.in_hosts(), **more)
        said = [line for line in out.splitlines() if "made by" in line or "against the" in line]
        passed = code == 0 and "ok. 1 passed" in out and any(f"made by {engine}" in line for line in said)
        self.expect(f"{name}: captured, separated, equal to the command's stems", passed, f"{took:.1f} s, {'; '.join(dict.fromkeys(said)) or err[-400:]}")

    # Times of whole processes

    def times(self):
        for engine in self.engines:
            for model in self.a.model:
                self.times_of(engine, model)
        program = self.a.hosts / "stop_to_stems"
        if program.exists():
            for engine in self.engines:
                command = [program, "--seconds", "180", "--engine", engine]
                code, out, err, _ = self.run(f"stop-to-stems-{engine}", command, SEXTET_COMMAND=str(self.sextet), **self.in_hosts())
                last = (out if code == 0 else f"exit {code} {err[-300:]}").strip().splitlines()[-1]
                self.expect("stop to stems", code == 0, last)

    def times_of(self, engine, model):
        name = f"{Path(model).stem}, {engine}"
        more = ["-m", model, "--engine", engine]

        def whole(number):
            done = self.separate(f"whole-{engine}-{number}", self.a.song, *more)
            assert done.by(engine), done.told()
            return done.seconds

        self.repeat(f"{name}: MP3 to six WAVs, the whole process", whole)
        _, _, err, _ = self.run(f"timings-{engine}", [self.sextet, "separate", self.a.song, *more, "-o", self.out / "timed"], SEXTET_TIMINGS="1")
        self.row(f"{name}: where it went", *[" ".join(line.split()) for line in err.splitlines()][-24:])
        shutil.rmtree(self.out / "timed", ignore_errors=True)
        with self.worker() as worker:
            told = worker.ask({"type": "import", "song": str(self.a.song.resolve())})
            song = self.out / "data/captures" / f"{told['audio']}.wav"
        for how in ("exact", "model"):
            with self.worker() as worker:
                worker.ask({"type": "prepare", "model": model, "engine": engine})

                def job(_):
                    """One separation of a capture that the cache does not have."""
                    self.forget_stems()
                    told = worker.separate(song, model=model, engine=engine, sum=how)
                    assert told["type"] == "done" and not told["cached"], told
                    return worker.seconds

                self.repeat(f"{name}: worker, request to stems in the cache, sum {how}", job)

    def repeat(self, name, measure):
        measure(0)
        spans = [measure(n + 1) for n in range(self.a.runs)]
        self.row(name, f"median {statistics.median(spans):.3f} s", f"{min(spans):.3f} to {max(spans):.3f}, {len(spans)} runs")

    # Several engines, and what is in the way

    def several(self):
        batch = self.out / "batch"
        batch.mkdir(exist_ok=True)
        for n in range(8):
            shutil.copy(self.a.song, batch / f"song {n}{self.a.song.suffix}")
        for engine in self.engines:
            self.shared(engine, batch)
        for value in ("", "-1", "7", "nonsense"):
            hidden = self.separate(f"visible-{value}", SAMPLE, CUDA_VISIBLE_DEVICES=value)
            self.expect(f"CUDA_VISIBLE_DEVICES='{value}'", hidden.code == 0, hidden.told())
        seven = self.separate("gpu-7", SAMPLE, "--gpu", "7")
        self.expect("--gpu 7 is refused", seven.code == 2 and not seven.left(), seven.told())
        if "tensorrt" in self.engines:
            self.cut_library()

    def shared(self, engine, batch):
        """Songs that several engines share."""
        alone = self.batch(engine, "one engine", batch, "0", {0})
        self.batch(engine, "two engines on one GPU", batch, "0,0", {0}, alone)
        self.batch(engine, "more engines than songs", SAMPLE, "0,0,0", {0})
        two = self.stand_in("two_gpus.c")
        if two:
            self.batch(engine, "one of two GPUs", batch, "1", {1}, alone, **two)
            self.batch(engine, "all of two GPUs", batch, "all", {0, 1}, alone, **two)
            if engine == "tensorrt":
                code, text, err, _ = self.run("build-all", [self.sextet, "engine", "build", "--gpu", "all"], **two)
                self.expect("engine build --gpu all", code == 0 and "GPU 0 is ready" in text and "GPU 1 is ready" in text, (text + err).strip())
        self.interrupted(engine, batch)

    def batch(self, engine, name, songs, gpus, expected, alone=None, **environment):
        """Separates `songs` on `gpus`. Its stems, by their names; they have to be those of `alone`, and all told in order."""
        name = f"{engine}, {name}"
        done = self.separate(f"batch-{name}", songs, "--gpu", gpus, "--engine", engine, **environment)
        ends = [line for line in done.lines if line.get("event") == "song_end"]
        count = 1 if songs == SAMPLE else 8
        all_done = done.code == 0 and [end["status"] for end in ends] == ["done"] * count
        self.expect(f"{name}: all songs are done", all_done, f"{done.seconds:.2f} s, exit {done.code} {done.complaint.strip()[-300:]}")
        order = [end["index"] for end in ends]
        self.expect(f"{name}: told in order", order == sorted(order), order)
        used = {end["gpu"] for end in ends}
        engines = next((len(line["engines"]) for line in done.lines if line.get("event") == "start"), 0)
        lanes = {"0": 1, "1": 1, "0,0": 2, "all": 2}.get(gpus, 1)
        self.expect(f"{name}: on the GPUs that were named", used == expected and engines == lanes, f"{used}, {engines} engines")
        if alone is not None:
            differ = [stem for stem in alone if done.stems.get(stem) != alone[stem]]
            self.expect(f"{name}: the stems of one engine", done.stems.keys() == alone.keys() and not differ, f"{len(done.stems)} stems, {len(differ)} differ")
        return done.stems

    def interrupted(self, engine, batch):
        """Ctrl-C while two engines are at work."""
        out = self.out / "stems"
        shutil.rmtree(out, ignore_errors=True)
        command = [self.sextet, "separate", batch, "--gpu", "0,0", "--engine", engine, "-o", out, "--overlap", "0.9"]
        child = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment)
        begun = time.monotonic()
        while len(leftovers(out)) < 12 and child.poll() is None and time.monotonic() - begun < 60:
            time.sleep(0.01)
        asked = time.monotonic()
        child.send_signal(signal.SIGINT)
        code, left = child.wait(30), leftovers(out)
        self.expect(f"{engine}, Ctrl-C with two songs under way", code == 130 and not left, f"exit {code} after {time.monotonic() - asked:.2f} s, left: {left}")

    def cut_library(self):
        library = next((self.out / "data/tensorrt").glob("libtensorrt_rtx.so*"))
        whole = library.read_bytes()
        library.write_bytes(whole[: len(whole) // 2])
        code, text, err, _ = self.run("cut-doctor", [self.sextet, "doctor"])
        found = [line for line in (text + err).splitlines() if "tensorrt" in line.lower()][:2]
        self.expect("a library that is cut: doctor", code == 0, f"exit {code} {found}")
        cut = self.separate("cut-separate", SAMPLE, "--engine", "tensorrt")
        self.expect("a library that is cut: --engine tensorrt", cut.code == 4 and not cut.left(), cut.told())
        cut = self.separate("cut-auto", SAMPLE)
        self.expect("a library that is cut: auto", cut.by("cuda"), cut.told())
        library.write_bytes(whole)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bundled", required=True, type=Path, help="what `cargo xtask bundle` has made")
    ap.add_argument("--hosts", required=True, type=Path)
    ap.add_argument("--song", required=True, type=Path, help="three minutes of MP3")
    ap.add_argument("--wheel", type=Path, help="TensorRT's, where that is tried too")
    ap.add_argument("--engines", help="cuda, tensorrt or both, with a comma; both where there is a wheel")
    ap.add_argument("--model", action="append", help="a model to be timed; sextet-mini unless others are named; `official` is drawn")
    ap.add_argument("--out", type=Path, default=Path("/dev/shm/installed"))
    ap.add_argument("--driver", type=Path, help="the driver's library, where the system does not name it")
    ap.add_argument("--runs", type=int, default=10)
    ap.add_argument("--only", default="setup,first_use,hosts,times,several")
    a = ap.parse_args()
    a.engines = a.engines or ("cuda,tensorrt" if a.wheel else "cuda")
    trial = Installed(a)
    a.model = [str(write_official(a.out / "official.safetensors")) if model == "official" else model for model in a.model or ["sextet-mini"]]
    trial.parts(a.only.split(","))
    return trial.end()


if __name__ == "__main__":
    raise SystemExit(main())
