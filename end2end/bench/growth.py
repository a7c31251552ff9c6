#!/usr/bin/env python3
"""How the cost of a disk grows: with the sessions at once, with the versions below, and with the blocks that were written.
Prints JSON.

usage: growth.py [SECONDS]
Needs root, fio, libiscsi-bin and what disks.py needs; runs in a network namespace of its own.
"""
import json
import sys

import disks

SESSIONS = (1, 3, 10, 30, 100, 200)
VERSIONS = (1, 3, 10, 30, 100)
WRITTEN = (0, 1_000, 10_000, 100_000, 400_000)
BLOCK = 4096
WRITTEN_MIB = 2048


def sessions(stage, seconds):
    """4 KiB random reads of overlays on one image, one request after the other in each session."""
    base = stage.dir / "sessions.raw"
    disks.random_file(base, disks.DISK_MIB)
    steps = []
    for n in SESSIONS:
        # A new server for each: what sessions that went have left behind must not count.
        process, _, _ = stage.disks(base, n, 0, disks.on(disks.SERVER_CORE))
        steps.append({"sessions": n, **disks.load(process, 3261, 0, "overlay-#", n, seconds)})
        stage.end(process)
    return steps


def versions(stage, seconds):
    """Reads of a disk whose last version has so many below it, each with its share of the blocks."""
    base = stage.dir / "versions.raw"
    disks.random_file(base, 64)
    steps = []
    for n in VERSIONS:
        process, _, _ = stage.disks(base, 1, n)
        # Single blocks changed in each: how often a read has to go elsewhere grows with the versions.
        steps.append({"versions": n, "random_4k": disks.iscsi(3261, 0, "scattered", seconds, *"-b 8 -r -m 32".split()),
                      "sequential_64k": disks.iscsi(3261, 0, "scattered", seconds, *"-b 128 -m 8".split())})
        stage.end(process)
    return steps


def written(stage, seconds):
    """Reads and writes all over an overlay of which so many blocks, all apart, were written before."""
    base = stage.dir / "written.raw"
    with open(base, "wb") as file:
        file.truncate(WRITTEN_MIB * disks.MIB)
    whole = f"--size={WRITTEN_MIB}m"
    steps = []
    for n in WRITTEN:
        process, _, _ = stage.disks(base, 1, 0)
        disks.until("NBD", lambda: disks.quiet("nbdinfo", "--size", "nbd://127.0.0.1:10811/overlay-1").returncode == 0)
        before = disks.resident(process.pid)
        if n:
            disks.fio(stage, 10811, "overlay-1", 0, "--time_based=0", "--rw=randwrite", whole, f"--io_size={n * BLOCK}")
        held = disks.resident(process.pid) - before
        run = lambda rw: disks.fio(stage, 10811, "overlay-1", seconds, f"--rw={rw}", "--norandommap", whole)
        steps.append({"written": n, "read": run("randread"), "write": run("randwrite"), "bytes_held": held})
        stage.end(process)
    return steps


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    stage = disks.Stage()
    try:
        result = {"bench": "growth", "seconds": seconds, "sessions": sessions(stage, seconds),
                  "versions": versions(stage, seconds), "written": written(stage, seconds)}
        json.dump(result, sys.stdout)
        print()
    finally:
        stage.close()


if __name__ == "__main__":
    disks.inside(__file__)
    main()
