#!/usr/bin/env python3
"""Renders docs/bench/*.json as docs/benchmarks.md, on stdout. A bench that was not run is left out."""
import json
import os
import pathlib
import platform
import re
import statistics

DIR = pathlib.Path(__file__).resolve().parents[2] / "docs" / "bench"


def load(name):
    path = DIR / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(c) for c in row) + " |")
    print()


def side_by_side(title, data, command, note):
    print(f"## {title}\n\n`make bench` (`{command}`), {data['unit']}, median of {len(data['cases'][0]['ours'])} rounds in turn. {note}\n")
    table(["work", "NSBoot", data["peer"], "ratio"],
          [(c["case"], f"{c['ours_median']:,}", f"{c['peer_median']:,}", f"**{c['ratio']}**") for c in data["cases"]])


print(f"""# Benchmarks

Each hot path beside the peer that people use for it, on the same machine, in turn, in one run; what counts is the
ratio. `make bench` measures again and writes this page; the raw rounds are in [bench/](bench/).

This machine: {os.cpu_count()} cores, Linux {platform.release()}; client and server share the cores.
""")
if data := load("iscsi"):
    side_by_side("Disk: iSCSI", data, "end2end/bench/iscsi.sh", "A disk in memory, by libiscsi's `iscsi-perf`.")
    if all("ours_cpu_us" in c for c in data["cases"]):
        table(["work", "server CPU µs a request, NSBoot", data["peer"]],
              [(c["case"], f"{c['ours_cpu_us']:.1f}", f"{c['peer_cpu_us']:.1f}") for c in data["cases"]])
if data := load("nbd"):
    side_by_side("Disk: NBD", data, "end2end/bench/nbd.sh", "A disk in memory of random bytes, by fio's `nbd` engine over one connection; a request of 1 MiB a second is a MiB a second.")
if data := load("disks"):
    many, clones = data["many"], data["clone"]
    mid = lambda side, key: statistics.median(r[key] for r in many[side])
    print(f"## Disks of a floor: overlays on one image\n\n`make bench` (`end2end/bench/disks.py`), median of {len(many['ours'])} rounds in turn. "
          f"{many['sessions']} sessions at once, a thread each, read 4 KiB at random, one request after the other; ours from overlays on one image, "
          "tgt from a raw file for each. The load has one core and the server another.\n")
    rows = [(name, *(f"{mid(side, key):,.0f}" for side in ("ours", "peer")), bar) for name, key, bar in (
        ("requests a second, all", "per_second", "≥ 1.3 times tgt's"), ("the slowest session", "slowest", ""), ("the fastest session", "fastest", ""),
        ("half of all requests within, µs", "p50_us", ""), ("99 % of all within, µs", "p99_us", "")) ]
    spread = lambda side: mid(side, "fastest") / mid(side, "slowest")
    rows.insert(3, ("fastest : slowest", f"**{spread('ours'):.2f}**", f"{spread('peer'):.2f}", "≤ 1.3"))
    rows += [("memory for each session, KiB", *(f"{mid(side, 'bytes_each') / 1024:.0f}" for side in ("ours", "peer")), ""),
             ("threads", *(f"{mid(side, 'threads'):.0f}" for side in ("ours", "peer")), ""),
             ("server CPU µs a request", *(f"{mid(side, 'cpu_us_each'):.1f}" for side in ("ours", "peer")), "")]
    table(["what", "NSBoot", "tgt", "bar"], rows)
    cache = data["page_cache"]
    print(f"Reading an image of {cache['image_bytes'] / 2**20:.0f} MiB from a disk, all of them together fill {cache['after'] / 2**20:.1f} MiB of page cache: one copy for all.\n")
    table(["work", "NSBoot", "beside", "its", "ratio", "bar"],
          [(c["case"], f"{c['ours_median']:,.0f}", c["beside"], f"{c['peer_median']:,.0f}", f"**{c['ratio']}**", c["bar"]) for c in data["overlay"]]
          + [(f"{c['case']}, {data['deep']['versions']} versions deep", f"{c['ours_median']:,.0f}", "one version", f"{c['peer_median']:,.0f}", f"**{c['ratio']}**", c["bar"]) for c in data["deep"]["cases"]])
    print("Each of the versions changed runs of 64 KiB all over the disk, where no other is said.\n")
    print(f"An overlay of an image of {clones['bytes'] / 2**30:.0f} GiB is made in {statistics.median(clones['milliseconds']):.1f} ms, at worst of "
          f"{len(clones['milliseconds'])} in {max(clones['milliseconds']):.1f} ms; the bar is 50.\n\nWhat the protocol alone allows: an overlay in memory beside a disk that holds nothing.\n")
    table(["work", "an overlay", "nothing behind it", "ratio"],
          [(c["case"], f"{c['ours_median']:,.0f}", f"{c['peer_median']:,.0f}", f"**{c['ratio']}**") for c in data["protocol"]])
if data := load("growth"):
    print(f"## How the cost of a disk grows\n\n`make bench` (`end2end/bench/growth.py`), {data['seconds']} s each. Sessions read 4 KiB at random from overlays on one image, "
          "one request after the other each; the other works have 32 small or 8 large requests under way.\n\n![What a disk costs with more sessions, versions and written blocks](img/growth.svg)\n")
    for key in ("sessions", "versions", "written"):
        names = {"sessions": "sessions at once", "versions": "versions below", "written": "blocks written before", "per_second": "4 KiB reads a second, all",
                 "p99_us": "99 % within, µs", "cpu_us_each": "server CPU µs a request", "bytes_each": "bytes of memory each", "random_4k": "4 KiB random reads a second",
                 "sequential_64k": "64 KiB sequential reads a second", "read": "4 KiB random reads a second", "write": "4 KiB random writes a second",
                 "bytes_held": "bytes of memory for them"}
        shown = [name for name in names if name in data[key][0]]
        table([names[name] for name in shown], [[f"{step[name]:,}" for name in shown] for step in data[key]])
if data := load("import"):
    side_by_side("Images: import", data, "end2end/bench/import.sh", f"A disk of {data['mib']} MiB, a third of it random, a third text, a third nothing, sent by curl to `POST /api/v1/images`; "
                 "the peer reads the same file. The bar is 0.8.")
    grown = data["memory_peak_bytes"] - data["memory_before_bytes"]
    print(f"The server's peak memory grew by **{grown / 2**20:.0f} MiB** meanwhile; the bar is 64 MiB.\n")
if data := load("dhcp"):
    print("## Addresses: DHCP\n\n`make bench` (`end2end/bench/dhcp.sh`), four-way exchanges a second by `perfdhcp`, 4 s each, median of the rounds. "
          "NSBoot and dnsmasq sync each lease before its ACK, Kea's memfile does not.\n")
    rounds = data["rounds"]
    keys = sorted({(r["clients"], r["offered_per_second"]) for r in rounds})
    cell = lambda s, k: [r for r in rounds if r["server"] == s and (r["clients"], r["offered_per_second"]) == k]
    rows = []
    for k in keys:
        row = [f"{k[1]:,} offered, {k[0]:,} clients"]
        for s in ("nsboot", "kea", "dnsmasq"):
            got = [r["exchanges_per_second"] for r in cell(s, k) if r["exchanges_per_second"] is not None]
            drops = [r["request_drops_percent"] for r in cell(s, k) if r["request_drops_percent"] is not None]
            row.append(f"{statistics.median(got):,.0f} ({statistics.median(drops):.1f} % of ACKs missed)" if got and drops else "")
        rows.append(row)
    table(["work", "NSBoot", "Kea", "dnsmasq"], rows)
    ours, kea = (statistics.median(data["avalanche"][s]) for s in ("nsboot", "kea"))
    few, many = (statistics.median(data["beside"][n]) for n in ("10", "65000"))
    print(f"1,000 computers at once (`perfdhcp --scenario avalanche`) are all bound after {ours:.2f} s, by Kea after {kea:.2f} s: **{ours / kea:.2f}** of its time; "
          f"the bar is 0.5. With 10,000 offered it does {few:,.0f} exchanges a second beside 10 leases and {many:,.0f} beside 65,000: **{many / few:.2f}**; the bar is 0.9 to 1.1.\n")
if data := load("tftp"):
    side_by_side("Loaders: TFTP", data, "end2end/bench/tftp.sh", "A file of 32 MiB, by curl; each client has an address of its own.")
    if w := data.get("window"):
        print(f"With each ACK {w['late_ms']} ms late, windows of 16 blocks (RFC 7440) bring {w['sixteen_median'] / 1e6:,.1f} MB a second, single blocks "
              f"{w['one_median'] / 1e6:,.1f}: **{w['ratio']}** times as much; the bar is 4. On a line that loses {data['loss']['percent']} % of the packets, both ways, "
              f"{data['loss']['whole']} of {data['loss']['whole'] + data['loss']['broken']} transfers brought the file, byte for byte.\n")
if data := load("http"):
    side_by_side("Files: HTTP", data, "end2end/bench/http.sh", "A file of 64 MiB over one connection, by curl, and random 64 KiB of it over 100 connections, by wrk.")
    table(["work", "server CPU seconds a GB, NSBoot", data["peer"]],
          [(c["case"], f"{c['ours_cpu_median']:.2f}", f"{c['peer_cpu_median']:.2f}") for c in data["cases"]])
if data := load("boot"):
    print(f"## Power-on to ready, by hop\n\n`make bench` (`end2end/bench/boot.py`), seconds, median of {len(data['rounds'])} boots of an emulated BIOS machine (QEMU TCG). "
          "A hop lasts from the end of the one before.\n")
    names = [n for n in data["rounds"][0] if n != "total"]
    table([*names, "**total**"], [[f"{statistics.median(r.get(n, 0) for r in data['rounds']):.1f}" for n in names] + [f"**{statistics.median(r['total'] for r in data['rounds']):.1f}**"]])
if data := load("ws"):
    print(f"## A change on every screen: WebSocket\n\n`make bench` (`end2end/bench/ws.sh`), milliseconds from sending a change over REST to its frame at a reader, "
          f"over all readers and {data['changes']} changes, one each {data['every_milliseconds']} ms; median of {len(data['cases'][0]['rounds'])} rounds in turn. "
          "The change's own answer, which waits for the disk, is beside it.\n")
    bars = {100: 50, 1000: 150}
    mid = lambda rounds, *path: statistics.median((r[path[0]] if len(path) == 1 else r[path[0]][path[1]]) for r in rounds)
    table(["readers", "p50", "p95", "p99", "bar for p95", "answer p95"],
          [(f"{c['readers']:,}", f"{mid(c['rounds'], 'p50'):.1f}", f"**{mid(c['rounds'], 'p95'):.1f}**", f"{mid(c['rounds'], 'p99'):.1f}",
            f"< {bars[c['readers']]}", f"{mid(c['rounds'], 'answer', 'p95'):.1f}") for c in data["cases"]])
if data := load("api"):
    mid = lambda rounds, *path: statistics.median(r[path[0]][path[1]] for r in rounds)
    fills = ", ".join(f"{f['writes_per_second']:,.0f} a second for {f['writes']:,}" for f in data["fills"])
    print(f"## The API\n\n`make bench` (`end2end/bench/api.sh`), milliseconds, median of {len(data['mixed'])} rounds. Mixed: {data['rate']:,} requests a second for "
          f"{data['seconds']} s over {data['few']:,} computers, each counted from the moment it was due; a change is answered when it is durable. "
          f"Pages of 500 out of {data['many']:,} computers: {data['page_callers']} connections, one request after the other. "
          f"By {data['callers']} callers the computers were made at {fills}.\n")
    def kind(title, rounds, name, bar=""):
        return (title, f"{mid(rounds, name, 'p50'):.1f}", f"**{mid(rounds, name, 'p95'):.1f}**", f"{mid(rounds, name, 'p99'):.1f}",
                f"{max(r[name]['worst'] for r in rounds):.1f}", bar)
    def errors(rounds):
        return f"{sum(r['errors'] for r in rounds):,} of {sum(r['requests'] for r in rounds):,}"
    mixed, pages = data["mixed"], data["pages"]
    table(["work", "p50", "p95", "p99", "worst of all rounds", "bar for p95"], [
        kind(f"{data['rate']:,} mixed requests a second", mixed, "all", "< 10"),
        kind("60 %: one computer", mixed, "one"), kind("20 %: a page of 100", mixed, "page"),
        kind("10 %: a filtered list", mixed, "filtered"), kind("10 %: a change", mixed, "change"),
        kind(f"a page of {data['many']:,}", pages, "plain", "< 50"),
        kind(f"a page of {data['many']:,}, filtered and sorted", pages, "filtered_sorted", "< 50")])
    print(f"Not answered as it should be, 429 included: {errors(mixed)} mixed requests and {errors(pages)} pages; the bar is 0.\n")
    idle = data["idle_rss_bytes"]
    print("## Start and idle memory\n\n`make bench` (`end2end/bench/api.sh`). The start lasts from before the binary is executed until `/readyz` says yes; "
          "idle is 10 s after it.\n")
    table(["what", "figure", "bar"], [
        (f"start with {data['many']:,} computers, median of {len(data['starts'])}", f"**{statistics.median(data['starts']):.0f} ms**", "< 1,000 ms"),
        ("the same, the longest", f"{max(data['starts']):.0f} ms", ""),
        ("idle with an empty database", f"**{idle['empty'] / 2**20:.1f} MiB**", "< 60 MiB"),
        (f"idle with {data['many']:,} computers", f"{idle['many'] / 2**20:.1f} MiB", "")])
if data := load("durable"):
    print(f"## Durable writes\n\n`make bench` (`end2end/bench/durable.sh`), a second, median of {len(data['cases'][0]['rounds'])} rounds in turn. "
          "Each caller waits until its small record is synced before it writes the next. A sync is 4 KiB in place and `fdatasync`, one after the other; "
          "a commit takes more than one.\n")
    mid = lambda c, name: statistics.median(r[name] for r in c["rounds"])
    table(["disk", "its syncs", "one sync", "writes of 1 caller", f"of {data['callers']} callers", "ratio", "bar", "writes a commit"],
          [(c["case"], f"{mid(c, 'syncs'):,.0f}", f"{1000 / mid(c, 'syncs'):.2f} ms", f"{mid(c, 'one'):,.0f}", f"{mid(c, 'many'):,.0f}",
            f"**{mid(c, 'ratio'):.1f}**", "≥ 10", f"{mid(c, 'many_writes_per_commit'):.1f}") for c in data["cases"]])
if data := load("ws_idle"):
    first, second = data["rounds"]
    print(f"## {data['sockets']:,} idle readers: WebSocket\n\n`make bench` and `make test-long` (`end2end/bench/ws_idle.sh`), {data['clients']} computers in the snapshot; "
          "all are opened, told a change and closed, twice on one server.\n")
    def both(name, show, bar=""):
        return name, show(first), show(second), bar
    mib = lambda key: lambda r: f"{r[key] / 2**20:.0f} MiB"
    table(["what", "first", "second", "bar"], [
        both("until all are open", lambda r: f"{r['open_seconds']:.1f} s"),
        both("REST meanwhile, p95", lambda r: f"**{r['rest']['p95']:.1f} ms**", "< 100 ms"),
        both("told the change", lambda r: f"{r['told']:,}", f"{data['sockets']:,}"),
        both("the change at the last reader", lambda r: f"{r['change']['worst']:.0f} ms"),
        both("the server's memory, all open", mib("rss_open_bytes"), "the second adds less than half as much again"),
        ("that is for each reader", f"**{first['bytes_each'] / 1024:.1f} KiB**", "", "< 64 KiB"),
        both("memory after they left", mib("rss_after_bytes")),
        both("open files before and after", lambda r: f"{r['files_before']}, {r['files_after']}", "no more after")])
if data := load("size"):
    print("## Size\n\n`make bench` (`end2end/bench/size.py`).\n")
    def row(name, files):
        raw, wire = sum(f["bytes"] for f in files), sum(f["wire_bytes"] for f in files)
        return name, f"{raw / 1000:,.0f} kB", f"{wire / 1000:,.0f} kB ({files[0]['encoding']})"
    files = data["files"]
    rows = [row(f"`{p}`", [f]) for p, f in files.items() if f["with_every_page"]]
    for p, f in files.items():
        if page := re.search(r"split___([a-z]+)_page", p):
            rows.append(row(f"{page[1]} page, of its own", [f]))
    rows.append(row("pieces that lazy pages share", [f for p, f in files.items() if "/chunk_" in p or "/__wasm_split" in p]))
    rows.append(row("**all WASM**", [f for p, f in files.items() if p.endswith(".wasm")]))
    table(["file of the page", "raw", "on the wire"], rows)
    print(f"The binary has {data['binary_bytes'] / 1e6:.1f} MB with the page inside. After all of it was sent once, the idle server holds {data['idle_rss_bytes'] / 1e6:.0f} MB and {data['idle_threads']} threads.")
