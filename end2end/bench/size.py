#!/usr/bin/env python3
"""What the page weighs on the wire, and what the server holds when nothing happens. Prints JSON.

Environment: NSBOOT_BIN. The WASM is asked of the binary itself, as a browser does, with brotli and without.
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.request


SITE = pathlib.Path(__file__).resolve().parents[2] / "target/site/pkg"


def get(url, encoding):
    request = urllib.request.Request(url, headers={"Accept-Encoding": encoding})
    with urllib.request.urlopen(request) as answer:
        return len(answer.read()), answer.headers.get("Content-Encoding", "identity")


with tempfile.TemporaryDirectory() as data, socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    server = subprocess.Popen([os.environ["NSBOOT_BIN"], "serve", "--data", data, "--listen", f"127.0.0.1:{port}"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "NSBOOT_LOG": "error"})
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                page = urllib.request.urlopen(base + "/login").read().decode()
                break
            except OSError:
                time.sleep(0.05)
        # What every page names, and what lazy pages fetch on their own: the build's folder lists those.
        named = set(re.findall(r'"(/pkg/[^"]+\.(?:wasm|js|css))"', page))
        built = {f"/pkg/{f.name}" for f in SITE.iterdir() if f.suffix in (".wasm", ".js")}
        files = {}
        for path in sorted(named | built):
            raw, _ = get(base + path, "identity")
            small, encoding = get(base + path, "br")
            files[path] = {"bytes": raw, "wire_bytes": small, "encoding": encoding, "with_every_page": path in named}
        # The figure settles once start-up is over; ten equal readings in a row say that it is.
        readings, last, end = 0, None, time.monotonic() + 60
        while readings < 10 and time.monotonic() < end:
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            rss = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024
            readings, last = (readings + 1 if rss == last else 0), rss
            time.sleep(0.2)
        threads = int(re.search(r"Threads:\s+(\d+)", status)[1])
        print(json.dumps({"bench": "size", "binary_bytes": os.path.getsize(os.environ["NSBOOT_BIN"]), "idle_rss_bytes": last,
                          "idle_threads": threads, "files": files}))
    finally:
        server.terminate()
        server.wait()
