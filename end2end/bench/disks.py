#!/usr/bin/env python3
"""Our disks as the server keeps them: what the protocol alone costs, a hundred computers on one image beside tgt on raw
files, an overlay beside the image itself and beside nbdkit's file plugin with its cow filter, making an overlay, and
reading through fifty versions. In turn, round by round. Prints JSON with every round.

usage: disks.py [ROUNDS] [SECONDS] [COMPUTERS]
Needs root, tgt, nbdkit, fio, libiscsi-bin and util-linux; runs in a network namespace of its own.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ("tgtd", "tgtadm", "nbdkit", "fio", "iscsi-perf", "iscsi-ls", "nbdinfo", "fincore", "taskset", "unshare")
IQN = "iqn.2026-11.test:"
VERSIONS = 50
MIB = 1 << 20
# Each computer's raw file beside tgt, and our one image.
DISK_MIB = 16
HUGE = 100 << 30
# Load and server on a core each, as they are in a LAN: threads of both on the same two cores go by the scheduler's luck.
LOAD_CORE, SERVER_CORE = 0, 1


def build():
    """The two programs of ours, built for speed; where they are."""
    built = subprocess.run([ROOT / "scripts/example.sh", "disks", "iscsi_load"], check=True, stdout=subprocess.PIPE, text=True)
    return pathlib.Path(built.stdout.strip())


def until(what, look):
    end = time.monotonic() + 60
    while not look():
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.1)


def quiet(*argv):
    return subprocess.run(list(map(str, argv)), capture_output=True, text=True)


def admin(*args):
    done = quiet("tgtadm", "-C", CONTROL, "--lld", "iscsi", *args)
    if done.returncode:
        raise RuntimeError(f"tgtadm {args}: {done.stderr}")


class Stage:
    """A folder in memory and processes that end with the bench."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="nsboot-bench.", dir="/dev/shm"))
        self.running = []

    def spawn(self, name, *argv, **more):
        with open(self.dir / f"{name}.log", "ab") as log:
            process = subprocess.Popen(list(map(str, argv)), stderr=log, stdout=more.pop("stdout", log), **more)
        self.running.append(process)
        return process

    def end(self, process):
        # tgtd ignores SIGTERM while it has a target.
        process.kill()
        process.wait()
        self.running.remove(process)

    def close(self):
        for process in [*self.running]:
            self.end(process)
        shutil.rmtree(self.dir, ignore_errors=True)

    def disks(self, base, computers, versions, core=()):
        """Our server on overlays of `base`; the process, and what making each overlay took, ms."""
        folder = self.dir / f"data-{len(list(self.dir.glob('data-*')))}"
        folder.mkdir()
        process = self.spawn("disks", *core, EXAMPLES / "disks", "127.0.0.1", folder, base, computers, versions,
                             stdout=subprocess.PIPE, text=True)
        took = json.loads(process.stdout.readline())
        if process.stdout.readline().strip() != "listening":
            raise RuntimeError((self.dir / "disks.log").read_text())
        return process, took, folder


def random_file(path, mib):
    """Random, so that nobody may leave zeros out."""
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))


def iscsi(port, lun, name, seconds, *args):
    """Requests a second, by the last average that iscsi-perf says."""
    done = quiet("timeout", seconds, "iscsi-perf", *args, f"iscsi://127.0.0.1:{port}/{IQN}{name}/{lun}")
    return int(re.findall(r"average (\d+)", done.stdout.replace("\r", "\n"))[-1])


def fio(stage, port, name, seconds, *args):
    out = stage.dir / "fio.json"
    done = quiet("fio", "--name=bench", "--ioengine=nbd", f"--uri=nbd://127.0.0.1:{port}/{name}", "--time_based",
                 f"--runtime={seconds}", "--bs=4k", "--iodepth=32", "--output-format=json", f"--output={out}",
                 f"--size={DISK_MIB}m", *args)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    job = json.loads(out.read_text())["jobs"][0]
    return round(job["read"]["iops"] + job["write"]["iops"])


def case(name, ours, peer, **more):
    a, b = statistics.median(ours), statistics.median(peer)
    return {"case": name, **more, "ours": ours, "peer": peer, "ours_median": a, "peer_median": b, "ratio": round(a / b, 2)}


def side_by_side(name, rounds, ours, peer, **more):
    pairs = [(ours(), peer()) for _ in range(rounds)]
    return case(name, *map(list, zip(*pairs)), **more)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def on(core):
    """What runs a program on that core."""
    return ("taskset", "-c", str(core))


def load(process, port, lun, target, sessions, seconds):
    """All sessions at once; what they say, and what they cost the server."""
    before = resident(process.pid), threads(process.pid)
    child = subprocess.Popen([*on(LOAD_CORE), EXAMPLES / "iscsi_load", f"127.0.0.1:{port}", str(lun), IQN + target, str(sessions), str(seconds)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if child.stderr.readline().strip() != "READY":
        raise RuntimeError(child.stderr.read())
    ticks = cpu_seconds(process.pid)
    more = resident(process.pid) - before[0], threads(process.pid) - before[1]
    child.stdin.write("\n")
    child.stdin.close()
    said = child.stdout.read()
    if child.wait():
        raise RuntimeError(child.stderr.read())
    result = json.loads(said)
    spent = cpu_seconds(process.pid) - ticks
    return {**result, "bytes_each": more[0] // sessions, "threads": threads(process.pid), "more_threads": more[1],
            "cpu_us_each": round(spent * 1e6 / result["requests"], 1)}


def cached(paths):
    """Bytes of files that the page cache holds."""
    done = quiet("fincore", "--bytes", "--noheadings", "--output", "RES", *paths)
    return sum(map(int, done.stdout.split()))


def many(stage, rounds, seconds, computers):
    """Computers on one image beside tgt on a raw file each."""
    base = stage.dir / "base.raw"
    random_file(base, DISK_MIB)
    ours, _, _ = stage.disks(base, computers, 0, on(SERVER_CORE))
    peer = stage.spawn("tgt", *on(SERVER_CORE), "tgtd", "-f", "-C", CONTROL, "--iscsi", "portal=127.0.0.1:3260")
    until("tgtd", lambda: quiet("tgtadm", "-C", CONTROL, "--lld", "iscsi", "--op", "show", "--mode", "sys").returncode == 0)
    for n in range(1, computers + 1):
        raw = stage.dir / f"{n}.raw"
        shutil.copyfile(base, raw)
        admin("--op", "new", "--mode", "target", "--tid", n, "-T", f"{IQN}overlay-{n}")
        admin("--op", "new", "--mode", "logicalunit", "--tid", n, "--lun", 1, "-b", raw)
        admin("--op", "bind", "--mode", "target", "--tid", n, "-I", "ALL")
    until("tgt's targets", lambda: quiet("iscsi-ls", "iscsi://127.0.0.1:3260").returncode == 0)
    both = {"sessions": computers, "ours": [], "peer": []}
    for _ in range(rounds):
        both["ours"].append(load(ours, 3261, 0, "overlay-#", computers, seconds))
        both["peer"].append(load(peer, 3260, 1, "overlay-#", computers, seconds))
    stage.end(peer)
    stage.end(ours)
    for n in range(1, computers + 1):
        (stage.dir / f"{n}.raw").unlink()
    return both


def page_cache(computers, seconds):
    """Files on a real disk, out of the cache, read by all computers: what the cache holds then."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nsboot-bench.", dir="/var/tmp"))
    stage = Stage()
    shutil.rmtree(stage.dir)
    stage.dir = folder
    try:
        base = folder / "base.raw"
        random_file(base, DISK_MIB)
        process, _, data = stage.disks(base, computers, 0)
        os.sync()
        for path in [base, *data.rglob("*.data")]:
            fd = os.open(path, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)
        before = cached([base, *data.rglob("*.data")])
        load(process, 3261, 0, "overlay-#", computers, seconds)
        after = cached([base, *data.rglob("*.data")])
        return {"image_bytes": DISK_MIB * MIB, "before": before, "after": after}
    finally:
        stage.close()


def protocol(stage, rounds, seconds):
    """What the target does when nothing is behind it, beside a file in memory."""
    base = stage.dir / "ceiling.raw"
    random_file(base, DISK_MIB)
    process, _, _ = stage.disks(base, 1, 0)
    works = [("4 KiB random read, depth 1", "-b 8 -r -m 1"), ("4 KiB random read, depth 32", "-b 8 -r -m 32"),
             ("64 KiB sequential read, depth 8", "-b 128 -m 8"), ("256 KiB sequential read, depth 4", "-b 512 -m 4")]
    cases = [side_by_side(name, rounds, lambda a=args: iscsi(3261, 0, "overlay-1", seconds, *a.split()),
                          lambda a=args: iscsi(3261, 0, "null", seconds, *a.split()), iscsi_perf=args) for name, args in works]
    stage.end(process)
    return cases


def overlay(stage, rounds, seconds):
    """Untouched blocks beside the image itself, and writing beside nbdkit's cow."""
    base = stage.dir / "overlay.raw"
    random_file(base, DISK_MIB)
    ours, _, _ = stage.disks(base, 1, 0)
    peer_base = stage.dir / "cow.raw"
    shutil.copyfile(base, peer_base)
    # The cow filter keeps what is written where TMPDIR is.
    peer = stage.spawn("nbdkit", "nbdkit", "-f", "--threads", "16", "-i", "127.0.0.1", "-p", "10813", "--filter=cow", "file",
                       peer_base, env={**os.environ, "TMPDIR": str(stage.dir)})
    for port, name in ((10811, "overlay-1"), (10812, "raw"), (10813, "")):
        until(f"NBD on {port}", lambda: quiet("nbdinfo", "--size", f"nbd://127.0.0.1:{port}/{name}").returncode == 0)
    run = lambda port, name, rw: lambda: fio(stage, port, name, seconds, f"--rw={rw}")
    cases = [
        side_by_side("4 KiB random read of untouched blocks, depth 32", rounds, run(10811, "overlay-1", "randread"),
                     run(10812, "raw", "randread"), beside="the image itself", bar="≥ 0.9"),
        side_by_side("4 KiB random write, depth 32", rounds, run(10811, "overlay-1", "randwrite"),
                     run(10813, "", "randwrite"), beside="nbdkit file + cow", bar="≥ 1.2"),
        side_by_side("4 KiB random read of written blocks, depth 32", rounds, run(10811, "overlay-1", "randread"),
                     run(10813, "", "randread"), beside="nbdkit file + cow", bar="≥ 1.2"),
    ]
    stage.end(peer)
    stage.end(ours)
    return cases


def clone(stage):
    """Overlays of an image of 100 GB."""
    base = stage.dir / "huge.raw"
    with open(base, "wb") as file:
        file.truncate(HUGE)
    process, took, _ = stage.disks(base, 20, 0)
    stage.end(process)
    return {"bytes": HUGE, "milliseconds": took}


def deep(stage, rounds, seconds):
    """Reading through fifty versions beside one."""
    base = stage.dir / "deep.raw"
    random_file(base, 64)
    process, _, _ = stage.disks(base, 1, VERSIONS)
    works = [("4 KiB random read, depth 32", "deep", "-b 8 -r -m 32"),
             ("64 KiB sequential read, depth 8", "deep", "-b 128 -m 8"),
             # The worst there is: each 4 KiB of a request are in another file.
             ("64 KiB sequential read, depth 8, single blocks changed", "scattered", "-b 128 -m 8")]
    cases = [side_by_side(name, rounds, lambda a=args, d=disk: iscsi(3261, 0, d, seconds, *a.split()),
                          lambda a=args: iscsi(3261, 0, "first", seconds, *a.split()), iscsi_perf=args,
                          bar="≥ 0.8" if disk == "deep" else "")
             for name, disk, args in works]
    stage.end(process)
    return {"versions": VERSIONS, "cases": cases}


def main():
    arguments = [int(a) for a in sys.argv[1:]]
    rounds, seconds, computers = (arguments + [5, 4, 100][len(arguments):])[:3]
    stage = Stage()
    try:
        result = {
            "bench": "disks", "seconds": seconds,
            "protocol": protocol(stage, rounds, seconds), "many": many(stage, rounds, seconds, computers),
            "page_cache": page_cache(computers, seconds), "overlay": overlay(stage, rounds, seconds),
            "clone": clone(stage), "deep": deep(stage, rounds, seconds),
        }
        json.dump(result, sys.stdout)
        print()
    finally:
        stage.close()


def inside(program):
    """Goes on in a network namespace of its own, with our programs built."""
    global EXAMPLES, CONTROL
    if os.environ.get("NSBOOT_BENCH_INSIDE") != "yes":
        missing = [tool for tool in TOOLS if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
        if missing:
            sys.exit(f"{', '.join(missing)} missing; run: apt-get install tgt nbdkit fio libiscsi-bin libnbd-bin util-linux")
        os.environ.update(NSBOOT_BENCH_INSIDE="yes", NSBOOT_BENCH_EXAMPLES=str(build()))
        os.execvp("unshare", ["unshare", "-n", sys.executable, program, *sys.argv[1:]])
    EXAMPLES = pathlib.Path(os.environ["NSBOOT_BENCH_EXAMPLES"])
    # Of this tgtd alone.
    CONTROL = 1000 + os.getpid() % 30000
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


if __name__ == "__main__":
    inside(__file__)
    with contextlib.suppress(KeyboardInterrupt):
        main()
