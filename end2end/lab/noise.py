#!/usr/bin/env python3
"""Damaged packets beside good traffic: nobody else's exchange suffers, and the server neither ends nor grows.
usage: noise.py [--rounds N]

Environment: NSBOOT_BIN (the binary).
"""
import json
import re
import subprocess
import sys
import time
import urllib.request

from checks import check
from harness import SERVER
from runner import main

HERE = __file__.rpartition("/")[0]
SECONDS, SEED = 20, 20261126
# Exchanges a second, of so many computers: what a hall of them does at once, far below what the server can.
RATE, COMPUTERS = 200, 2000
# Of all packets, as without noise.
MAX_DROPS = 0.001
# Beside what allocator and database keep ready; a leak of one packet in a hundred would be more.
MAX_GROWTH = 16 << 20


def rss(lab):
    """Bytes of the server's memory that are in use."""
    with open(f"/proc/{lab.server.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


def malformed(lab):
    request = urllib.request.Request(f"http://127.0.0.1:{lab.port}/metrics", headers={"Authorization": f"Bearer {lab.token}"})
    text = urllib.request.urlopen(request, timeout=10).read().decode()
    return int(re.search(r'^nsboot_dhcp_messages_total\{type="malformed"\} (\d+)', text, re.M).group(1))


def good_traffic(lab, namespace, seconds):
    """Exchanges for so long; packets sent and dropped."""
    done = subprocess.run(["nsenter", f"--net=/run/netns/{namespace}", "perfdhcp", "-4", "-l", "eth0", "-r", str(RATE),
                           "-R", str(COMPUTERS), "-p", str(seconds), "-W", "1000000", "-xi"],
                          capture_output=True, text=True, timeout=seconds + 60)
    sent, dropped = (sum(int(n) for n in re.findall(rf"^{what}: (\d+)", done.stdout, re.M)) for what in ("sent packets", "drops"))
    check(sent >= 1.8 * RATE * seconds, f"perfdhcp sent {sent} packets and said:\n{done.stdout}{done.stderr}")
    return sent, dropped


def noise(namespace, seconds, seed):
    return subprocess.Popen(["nsenter", f"--net=/run/netns/{namespace}", sys.executable, f"{HERE}/damaged.py", "eth0", SERVER,
                             str(seconds), str(seed)], stdout=subprocess.PIPE, text=True)


def told(noise):
    """What a sender of noise says when it is through."""
    text, _ = noise.communicate(timeout=SECONDS)
    check(noise.returncode == 0, f"the sender of damaged packets ended with {noise.returncode}")
    return json.loads(text)


def damaged_packets_harm_nobody_else(lab):
    lab.widen()
    lab.start_server()
    good = lab.cable("g", "02:00:00:00:00:01", "10.77.1.2/16")
    bad = lab.cable("b", "02:00:00:00:00:02", "10.77.1.3/16")
    # Until what is kept once is there: leases, boots of the recorded computers, the database's cache.
    warm = noise(bad, SECONDS / 2, SEED)
    good_traffic(lab, good, SECONDS // 2)
    told(warm)
    before, counted = rss(lab), malformed(lab)
    quiet = good_traffic(lab, good, SECONDS)
    started = time.monotonic()
    loud = noise(bad, SECONDS, SEED + 1)
    beside = good_traffic(lab, good, SECONDS)
    noisy = told(loud)
    grown, more = rss(lab) - before, malformed(lab) - counted
    print(f"   {noisy['sent']} damaged packets in {time.monotonic() - started:.0f} s, {more} counted as malformed; dropped "
          f"{beside[1]} of {beside[0]} packets, without them {quiet[1]} of {quiet[0]}; "
          f"memory {before >> 20} MiB and {grown >> 10} KiB more")
    check(lab.server.poll() is None, "the server ended")
    check("panicked" not in lab.log("server.log"), "a task of the server panicked")
    check(more >= noisy["hopeless"] // 2, f"{noisy['hopeless']} packets were no DHCP, and {more} were counted")
    for what, (sent, dropped) in (("without", quiet), ("with", beside)):
        check(dropped <= MAX_DROPS * sent, f"{dropped} of {sent} good packets were dropped {what} damaged ones beside them")
    check(grown <= MAX_GROWTH, f"memory grew by {grown >> 10} KiB")


if __name__ == "__main__":
    main([damaged_packets_harm_nobody_else], images=())
