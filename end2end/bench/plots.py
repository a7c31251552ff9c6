#!/usr/bin/env python3
"""Draws docs/bench/growth.json as docs/img/growth.svg: what a disk costs with more sessions, versions, written blocks."""
import json
import pathlib

import matplotlib

matplotlib.use("svg")
# The same figures give the same file; letters stay letters.
matplotlib.rcParams.update({"svg.hashsalt": "nsboot", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False,
                            "axes.spines.right": False, "axes.grid": True, "grid.color": "#e2e5ea", "font.family": "sans-serif"})
import matplotlib.pyplot as plt  # noqa: E402  it must know the back end first

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
BLUE, ORANGE, GREEN = "#2f6fde", "#d9822b", "#2a9d6f"


def panel(axes, title, steps, key, lines):
    """One picture: lines of (what, key or function, colour) over the steps."""
    at = [step[key] for step in steps]
    for what, value, colour in lines:
        axes.plot(at, [value(step) for step in steps], "o-", color=colour, label=what, markersize=4)
    # No blocks written is a step as well, which a logarithm has no place for.
    axes.set_xscale("symlog" if 0 in at else "log", **({"linthresh": min(n for n in at if n)} if 0 in at else {}))
    axes.set_xticks(at, [f"{n // 1000}k" if n >= 1000 else n for n in at])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_title(title, fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8)
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:,.0f}")


def main():
    data = json.loads((DOCS / "bench/growth.json").read_text())
    figure, ((a, b, c), (d, e, f)) = plt.subplots(2, 3, figsize=(12, 6.2), layout="constrained")
    sessions, versions, written = data["sessions"], data["versions"], data["written"]
    panel(a, "Sessions at once: 4 KiB reads a second, all", sessions, "sessions", [("all sessions", lambda s: s["per_second"], BLUE)])
    panel(b, "Versions below: requests a second", versions, "versions", [
        ("4 KiB random", lambda s: s["random_4k"], BLUE), ("64 KiB sequential", lambda s: s["sequential_64k"], ORANGE)])
    panel(c, "Blocks written before: 4 KiB requests a second", written, "written", [
        ("random read", lambda s: s["read"], BLUE), ("random write", lambda s: s["write"], ORANGE)])
    panel(d, "Sessions at once: server CPU µs a request", sessions, "sessions", [("CPU", lambda s: s["cpu_us_each"], GREEN)])
    panel(e, "Sessions at once: memory of each, KiB", sessions, "sessions", [("memory", lambda s: s["bytes_each"] / 1024, GREEN)])
    panel(f, "Blocks written before: memory for them, MiB", written, "written",
          [("memory", lambda s: s["bytes_held"] / 2**20, GREEN)])
    (DOCS / "img").mkdir(exist_ok=True)
    figure.savefig(DOCS / "img/growth.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
