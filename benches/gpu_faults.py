"""What becomes of a separation by the CUDA engine when something fails, on a machine with an NVIDIA GPU.

Needs no Rust there: command and example are built elsewhere and brought along.

    cargo build --release
    cargo build --release -p sextet-separator --example cuda_steps
    python benches/gpu_faults.py --sextet target/release/sextet --steps target/release/examples/cuda_steps --song 180s.mp3

Faults are played by libraries that stand before the driver (lost_gpu.c, old_driver.c), by a process that holds the GPU's
memory, and by kill -9. Stems are compared by their bytes with those of undisturbed runs. The table comes last.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from trial import NAMES, SAMPLE, Trial, first, leftovers, stems_of, write_official

#: Megabytes of GPU memory that are left, most first.
LEFT_MB = (4000, 1600, 1300, 1100, 1000, 900, 800, 700, 500, 100)
#: The same for the official shape, whose batches take more.
LEFT_OFFICIAL_MB = (4000, 2400, 2000, 1700, 1400, 1200, 1000, 700)
#: Multiprocessors that the GPU has at most: the blocks of dconv_line.cu do not all fit on fewer.
MULTIPROCESSORS = (1, 20, 46)


class Faults(Trial):
    def __init__(self, a):
        super().__init__(a.sextet, a.out, a.driver)
        self.a, self.alone = a, {}

    def undisturbed(self, engine):
        """The stems that `engine` makes of the sample song when nothing fails."""
        if engine not in self.alone:
            done = self.separate(f"undisturbed-{engine}", SAMPLE, "--engine", engine)
            self.expect(f"undisturbed, {engine}", done.by(engine), done.told())
            self.alone[engine] = done.stems
        return self.alone[engine]

    def like(self, done, engine):
        """Whether `done` has the stems of `engine`, and nothing else."""
        return done.by(engine) and done.stems == self.undisturbed(engine) and not done.left()

    def story(self, name, expected, **environment):
        """Separates the sample song by `auto`, whose stems have to be those of `expected`, and by `cuda`, which has to be refused
        unless that is expected, and leave nothing."""
        auto = self.separate(f"{name}-auto", SAMPLE, **environment)
        self.expect(f"{name}, auto: the stems of {expected}", self.like(auto, expected), auto.told())
        insisted = self.separate(f"{name}-cuda", SAMPLE, "--engine", "cuda", **environment)
        holds = self.like(insisted, "cuda") if expected == "cuda" else insisted.code in (1, 4) and not insisted.left()
        self.expect(f"{name}, --engine cuda: {'done' if expected == 'cuda' else 'refused'}", holds, insisted.told())

    def worker_story(self, name, expected, **environment):
        """The same in the plugin's worker, by `auto`."""
        self.forget_stems()
        with self.worker(**environment) as worker:
            told = worker.separate(SAMPLE)
            self.expect(f"{name}, worker: done", told["type"] == "done", f"{worker.seconds:.2f} s: {'; '.join(dict.fromkeys(worker.told))}")
        code, text, _, _ = self.run("cache", [self.sextet, "cache", "list", "--json"])
        engines = [str(entry["engine"]) for entry in json.loads(text)["entries"]]
        kept = len(engines) == 1 and engines[0].startswith(NAMES[expected])
        self.expect(f"{name}, worker: kept as {expected}'s", kept, engines)

    # Parts

    def drivers(self):
        """No driver, and old ones."""
        none = self.out / "driver/none"
        none.mkdir(parents=True, exist_ok=True)
        # The loader stops at a file that is no library.
        (none / "libcuda.so.1").write_bytes(b"")
        (none / "libcuda.so").write_bytes(b"")
        self.story("no driver", "cpu", **first(none))
        self.worker_story("no driver", "cpu", **first(none))
        old = self.stand_in("old_driver.c")
        for version, expected in ((11080, "cpu"), (12000, "cuda")) if old else ():
            name = f"a driver of CUDA {version // 1000}.{version % 1000 // 10}"
            self.story(name, expected, **old, OLD_DRIVER=str(version))
            self.worker_story(name, expected, **old, OLD_DRIVER=str(version))
            self.inspect(name, **old, OLD_DRIVER=str(version))

    def inspect(self, name, **environment):
        with self.worker(**environment) as worker:
            gpu = worker.ask({"type": "inspect"})["machine"]["gpu"]
            self.row(f"{name}: Settings say", gpu["state"], gpu["message"], gpu["remedy"], f"set-up: {gpu['setup'] is not None}")

    def memory(self):
        """A GPU that is full but for some megabytes: smaller batches, then the CPU."""
        for model, sizes in (("sextet-mini", LEFT_MB), ("official", LEFT_OFFICIAL_MB)):
            named = model if model == "sextet-mini" else write_official(self.out / "official.safetensors")
            more = ["-m", named] + (["--single-chunk"] if model == "official" else [])
            seen = []
            for size in sizes:
                with Hog(size) as hog:
                    done = self.separate(f"memory-{model}-{size}", SAMPLE, *more)
                batch = re.search(r"batch (\d+)", done.engine)
                seen.append(int(batch[1]) if batch else 0)
                holds = done.code == 0 and len(done.stems) == 6 and not done.left()
                self.expect(f"{model}, {hog.left_mb} MB of the GPU left", holds, f"batch {seen[-1] or 'none'}; {done.told()}")
                if model == "sextet-mini":
                    same = done.stems == self.undisturbed("cuda" if batch else "cpu")
                    self.expect(f"{model}, {hog.left_mb} MB left: the stems as ever", same, done.engine)
            falls = all(a >= b for a, b in zip(seen, seen[1:]))
            self.expect(f"{model}: batches shrink with the memory, then the CPU", falls and seen[0] == 4 and seen[-1] == 0, seen)
        with Hog(LEFT_MB[-1]):
            insisted = self.separate("memory-cuda", SAMPLE, "--engine", "cuda")
            self.worker_story(f"{LEFT_MB[-1]} MB left", "cpu")
        self.expect(f"{LEFT_MB[-1]} MB left, --engine cuda: refused", insisted.code == 4 and not insisted.left(), insisted.told())

    def lost(self):
        """A GPU that is lost, after each number of waits from none to those of a whole song."""
        self.undisturbed("cuda")

        def once(**variables):
            done = self.separate("waits", SAMPLE, **variables)
            self.expect("waits counted", self.like(done, "cuda"), done.told())

        waits = self.waits(once).get("separate", 0)
        self.row("waits for the GPU in a song", waits)
        for after in range(0, waits):
            self.story(f"lost after {after} of {waits} waits", "cpu", **self.losing(after))

        def clip(**variables):
            self.worker_story("waits counted", "cuda", **variables)

        waits = self.waits(clip).get("worker", 0)
        for after in sorted({0, 1, waits // 2, waits - 1}) if waits else ():
            self.worker_story(f"lost after {after} of {waits} waits", "cpu", **self.losing(after))

    def two(self):
        """Two processes at once, and four."""
        expected = self.undisturbed("cuda")
        for count in (2, 4):
            folders = [self.out / f"at-once-{n}" for n in range(count)]
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
            children = [subprocess.Popen([str(word) for word in (self.sextet, "separate", SAMPLE, "--engine", "cuda", "-o", folder, "-q")],
                                         env=self.environment, stderr=subprocess.PIPE, text=True) for folder in folders]  # fmt: skip
            ends = [(child.communicate()[1].strip(), child.returncode) for child in children]
            same = [stems_of(folder) == expected for folder in folders]
            self.expect(f"{count} processes at once", all(same) and all(code == 0 for _, code in ends), ends)

    def killed(self):
        """kill -9 at any moment of a run, its first start among them; nothing half-written may be taken for whole."""
        expected, folder = self.undisturbed("cuda"), self.out / "killed"
        span = self.separate("span", SAMPLE, "--engine", "cuda").seconds
        wrong, unfinished, complete = [], 0, 0
        for n in range(self.a.kills):
            shutil.rmtree(folder, ignore_errors=True)
            if n % 2:
                shutil.rmtree(self.out / "cache/engines", ignore_errors=True)
            command = [self.sextet, "separate", SAMPLE, "--engine", "cuda", "-o", folder, "-q"]
            child = subprocess.Popen([str(word) for word in command], env=self.environment, stderr=subprocess.DEVNULL)
            time.sleep(span * 1.2 * (n + 0.5) / self.a.kills)
            child.kill()
            child.wait()
            found = stems_of(folder)
            wrong += [name for name, stem in found.items() if expected.get(name) != stem]
            unfinished += len(leftovers(folder))
            complete += len(found) == 6
        self.expect(f"killed at {self.a.kills} moments: whole stems or none", not wrong, f"{complete} runs were through, {unfinished} hidden files were left, wrong: {wrong}")
        command = [self.sextet, "separate", SAMPLE, "--engine", "cuda", "-o", folder, "-q"]
        code, _, err, _ = self.run("after-killed", command)
        self.expect("the next run: done, and nothing is left", code == 0 and stems_of(folder) == expected and not leftovers(folder), f"exit {code} {err.strip()} {leftovers(folder)}")

        # The plugin's worker, whose stems go into the cache.
        wrong = []
        self.forget_stems()
        for n in range(self.a.kills):
            if n % 2:
                shutil.rmtree(self.out / "cache/engines", ignore_errors=True)
            worker = self.worker().__enter__()
            worker.say({"type": "separate", "job": 1, "song": str(SAMPLE), "engine": "cuda"})
            time.sleep(span * 1.2 * (n + 0.5) / self.a.kills)
            worker.child.kill()
            worker.child.wait()
        with self.worker() as worker:
            told = worker.separate(SAMPLE, engine="cuda")
            self.expect(f"the worker, killed at {self.a.kills} moments: the next one makes or finds the stems", told["type"] == "done", told)
            worker.ask({"type": "render", "key": told.get("key"), "folder": str(self.out.resolve() / "rendered"), "name": "six-of-one"})
        left = leftovers(self.out / "cache")
        _, text, _, _ = self.run("cache-after", [self.sextet, "cache", "list", "--json"])
        entries = json.loads(text)["entries"]
        whole = len(entries) == 1 and entries[0]["engine"] is not None and len(stems_of(self.out / "rendered")) == 6
        self.expect("its cache holds whole stems, and nothing else", whole and not left, f"{len(entries)} entries, left: {left}")

    def residency(self):
        """GPUs with fewer multiprocessors, on which blocks that wait for one another do not all fit."""
        official = write_official(self.out / "official.safetensors")
        cases = [("sextet-mini", target, count) for target in ("best", "compute_80") for count in MULTIPROCESSORS]
        cases += [(official, "best", 1), (official, "best", 46), (official, "compute_80", 1)]
        for model in ("sextet-mini", official):
            whole = self.steps(f"residency-{Path(model).stem}-all", model, 4)
            self.expect(f"{Path(model).stem}, all multiprocessors: dconv_line is launched", "dconv_line" in whole and sound(whole), worst(whole))
        for model, target, count in cases:
            text = self.steps(f"residency-{Path(model).stem}-{target}-{count}", model, 4, target, count)
            lines = len(re.findall(r"dconv_line\S* +[\d.]+ us", text))
            self.expect(f"{Path(model).stem}, {target}, {count} multiprocessors", sound(text) and (lines == 0 or count > 1),
                        f"{lines} launches of dconv_line; {worst(text)}")  # fmt: skip

    def steps(self, name, model, *more, **environment):
        code, out, err, _ = self.run(name, [self.a.steps, model, *more], **environment)
        assert code == 0, err[-400:]
        return out

    def ptx(self):
        """The kernels that the driver compiles: right, and how long their first and their later starts take."""
        text = self.steps("ptx", "sextet-mini", 4, "compute_80")
        self.expect("PTX: right", sound(text), worst(text))
        for model in ("sextet-mini", write_official(self.out / "official.safetensors")):
            for target in ("best", "compute_80"):
                shutil.rmtree(self.out / "cuda-cache", ignore_errors=True)
                starts = []
                for n in range(4):
                    code, out, err, took = self.run(f"start-{target}-{n}", [self.a.steps, "--times", model, 4, target])
                    assert code == 0, err[-400:]
                    starts.append(float(re.search(r"start ([\d.]+) s", out)[1]))
                ms = re.search(r"([\d.]+) ms a chunk", out)[1]
                later = statistics.median(starts[1:])
                self.expect(f"{Path(model).stem}, {target}: start", starts[0] < (12 if target != "best" else 1.5) and later < 0.5,
                            f"first {starts[0]:.3f} s, later {later:.3f} s, {ms} ms a chunk at batch 4")  # fmt: skip

    def starts(self):
        """Whole processes: with nothing kept, and later ones."""
        for model in ("sextet-mini", "official"):
            named = model if model == "sextet-mini" else write_official(self.out / "official.safetensors")
            code, out, err, _ = self.run(f"bench-{model}", [self.sextet, "engine", "bench", "--engine", "cuda", "-m", named, "--batch", "4,8", "--seconds", "180", "--json"])
            for line in map(json.loads, filter(lambda line: line.startswith("{"), out.splitlines())):
                if line.get("event") == "batch":
                    self.row(f"{model}, bench, batch {line['batch']}", f"{line['chunk_ms']:.3f} ms a chunk", f"180 s in {line['separated_s']:.3f} s",
                             f"start {line['start_s']:.2f} s, again {line['second_start_s']:.2f} s", f"{line['memory_bytes'] / 1e6:.0f} MB")  # fmt: skip
            for folder in ("cache", "cuda-cache"):
                shutil.rmtree(self.out / folder, ignore_errors=True)
            spans = []
            for n in range(self.a.runs + 1):
                done = self.separate(f"whole-{model}-{n}", self.a.song, "--engine", "cuda", "-m", named)
                assert done.by("cuda") and not done.left(), done.told()
                start = next(line["start_s"] for line in done.lines if line.get("event") == "start")
                spans.append((done.seconds, start))
            later = [seconds for seconds, _ in spans[1:]]
            self.row(f"{model}: 180 s of MP3 to six WAVs, whole processes", f"first {spans[0][0]:.3f} s (engine {spans[0][1]:.3f})",
                     f"later median {statistics.median(later):.3f} s, {min(later):.3f} to {max(later):.3f}, {len(later)} runs",
                     f"engine ready after {statistics.median(start for _, start in spans[1:]):.3f} s")  # fmt: skip


def sound(text):
    """Whether the comparison of steps found finite numbers, and stems within what float16 costs."""
    stems = [float(error) for error in re.findall(r"stems of segment \d+ +([\d.e+-]+)", text)]
    return "NOT FINITE" not in text and len(stems) == 4 and max(stems) < 1.5e-2


def worst(text):
    stems = re.findall(r"stems of segment \d+ +([\d.e+-]+)", text)
    speed = re.search(r"[\d.]+ ms a chunk, \d+ MB, start [\d.]+ s", text)
    return f"stems {', '.join(dict.fromkeys(stems))}; {speed[0] if speed else ''}"


HOLD = """
import ctypes, sys
cuda = ctypes.CDLL("libcuda.so.1")
device, context, free, total, at = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t(), ctypes.c_uint64()
def call(name, *arguments):
    status = getattr(cuda, name)(*arguments)
    assert status == 0, f"{name}: {status}"
call("cuInit", 0)
call("cuDeviceGet", ctypes.byref(device), 0)
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
call("cuCtxSetCurrent", context)
call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
call("cuMemAlloc_v2", ctypes.byref(at), ctypes.c_size_t(free.value - (int(sys.argv[1]) << 20)))
call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
print(free.value >> 20, flush=True)
sys.stdin.read()
"""


class Hog:
    """A process that holds the GPU's memory but for some megabytes."""

    def __init__(self, left_mb):
        self.left_mb = left_mb

    def __enter__(self):
        self.child = subprocess.Popen([sys.executable, "-c", HOLD, str(self.left_mb)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)  # fmt: skip
        self.left_mb = int(self.child.stdout.readline())
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--sextet", required=True, type=Path)
    ap.add_argument("--steps", required=True, type=Path, help="the example cuda_steps")
    ap.add_argument("--song", required=True, type=Path, help="three minutes of MP3")
    ap.add_argument("--out", type=Path, default=Path("/dev/shm/faults"))
    ap.add_argument("--driver", type=Path, help="the driver's library, where the system does not name it")
    ap.add_argument("--runs", type=int, default=10)
    ap.add_argument("--kills", type=int, default=30)
    ap.add_argument("--only", default="drivers,memory,lost,two,killed,residency,ptx,starts")
    a = ap.parse_args()
    a.steps = a.steps.resolve()
    trial = Faults(a)
    trial.parts(a.only.split(","))
    return trial.end()


if __name__ == "__main__":
    raise SystemExit(main())
