#!/usr/bin/env python3
"""Real machines boot from the real binary. usage: boots.py [--rounds N] [NAME...]

Environment: NSBOOT_BIN (the binary), SELFTEST_IMAGE (made by selftest/build.sh).
"""
import json
import os
import subprocess
import time

import capture
from checks import check, hop, seconds_of, with_image
from harness import SERVER, until
from runner import main

MAC = "52:54:00:77:00:%02x"
# How far the rail may be from the wire, seconds.
TOLERANCE = 0.3


def lease_of(lab, name):
    return next(lease for lease in lab.api("GET", "/leases")["items"] if lease["client_name"] == name)


def boots_and_tells_the_truth(lab):
    """From power-on to ready by our own DHCP, HTTP and iSCSI; the rail agrees with the wire."""
    with_image(lab)
    lab.nsboot("client", "add", MAC % 1, "--name", "pc-1", "--image", "self-test", "--mode", "reset")
    pcap = lab.capture()
    pc = lab.machine("pc-1", MAC % 1)
    pc.power_on()
    boot = lab.wait_ready("pc-1")
    print(f"   power-on to ready: {seconds_of(boot['ended_at']) - pc.on_at:.1f} s")
    check(boot["facts"]["disk_read_bytes_per_second"] > 0, f"no disk speed in {boot['facts']}")
    check(" rw" in boot["facts"]["root"], f"the root is not writable: {boot['facts']}")
    # Nobody but us tells iPXE that there is no IPv6 router; without that it waits 16 s for one.
    waited = seconds_of(hop(boot, "ipxe")["finished_at"]) - seconds_of(hop(boot, "dhcp")["finished_at"])
    check(waited < 8, f"iPXE asked for its script {waited:.1f} s after its lease")
    # A script carries the disk's secret and starts the disk anew: nobody but the computer itself gets it.
    url = f"http://{SERVER}:8080/b/{(MAC % 1).replace(':', '-')}.ipxe"
    stranger = subprocess.run(["nsenter", f"--net=/run/netns/{lab.namespace}", "curl", "-s", "-o", "/dev/null",
                               "-w", "%{http_code}", url], capture_output=True, text=True, check=True)
    check(stranger.stdout == "403", f"a stranger who asked for the script got {stranger.stdout}")
    # The system renews the lease that its firmware took.
    expires = seconds_of(lease_of(lab, "pc-1")["ends_at"])
    pc.send("killall -USR1 udhcpc")
    until("a renewed lease", 30, lambda: seconds_of(lease_of(lab, "pc-1")["ends_at"]) > expires)
    check(lab.boot_of("pc-1")["id"] == boot["id"], "a renewal was taken for a boot")
    wire = until("the capture", 10, lambda: (lambda w: w if "ready" in w else None)(capture.hops(pcap, MAC % 1, pc.on_at)))
    pairs = [("link", "started_at", "discover"), ("dhcp", "finished_at", "ack"), ("ipxe", "finished_at", "script"),
             ("disk", "login1", None), ("kernel", "login2", None), ("login", "finished_at", "ready")]
    late = []
    for name, field, sign in pairs:
        if sign is None:
            # The note says when the login was seen; the hop's own times also hold what went before.
            notes = [n for n in boot["notes"] if n["hop"] == name]
            if not notes or field not in wire:
                late.append(f"{name}: {'no note' if not notes else 'no ' + field + ' on the wire'}")
                continue
            rail, real = min((seconds_of(n["at"]) for n in notes), key=lambda t: abs(t - wire[field])), wire[field]
        else:
            rail, real = seconds_of(hop(boot, name)[field]), wire[sign]
        print(f"   {name:7} rail {rail - pc.on_at:7.3f} s, wire {real - pc.on_at:7.3f} s, apart {abs(rail - real) * 1000:4.0f} ms")
        if abs(rail - real) > TOLERANCE:
            late.append(f"{name}: rail and wire are {rail - real:+.3f} s apart")
    check(not late, "; ".join(late))
    # Nothing says goodbye when the power goes: the server finds out that nobody answers.
    check(lab.client("pc-1")["disk_in_use"], "the disk of a running computer counts as unused")
    pc.power_off()
    until("the disk to count as unused", 60, lambda: not lab.client("pc-1")["disk_in_use"])


def reboot(lab, pc, cut=False):
    """Starts the machine again and waits until it is ready."""
    last = lab.boot_of(pc.name)["id"]
    if cut:
        pc.power_off()
        pc.power_on()
    else:
        pc.send("reboot")
    return lab.wait_ready(pc.name, after=last)


def keep_keeps_and_reset_forgets(lab):
    """A file written in mode keep is there after a reboot; in mode reset it is gone."""
    with_image(lab)
    lab.nsboot("client", "add", MAC % 2, "--name", "pc-2", "--image", "self-test", "--mode", "keep")
    pc = lab.machine("pc-2", MAC % 2)
    pc.power_on()
    lab.wait_ready("pc-2")
    pc.run("echo kept > /root/proof && sync")
    reboot(lab, pc)
    check(pc.run("cat /root/proof") == "kept", "the file is not there after a reboot in mode keep")
    lab.nsboot("client", "set", "pc-2", "--mode", "reset")
    reboot(lab, pc)
    check(pc.run("test -e /root/proof && echo there || echo gone") == "gone", "the file outlived a reset")


def a_guest_outlives_the_server(lab):
    """The server is killed with -9 while the guest writes, and later its cable is out for 30 s: the guest goes on, sees no
    error, and nothing is lost."""
    with_image(lab)
    lab.nsboot("client", "add", MAC % 3, "--name", "pc-3", "--image", "self-test", "--mode", "keep")
    pc = lab.machine("pc-3", MAC % 3)
    pc.power_on()
    lab.wait_ready("pc-3")
    # Each round is on the disk before it is counted on the console.
    pc.run("""echo 'for i in $(seq 100); do dd if=/dev/urandom of=/root/f$i bs=64k count=4 conv=fsync 2>/dev/null """
           """&& sha256sum /root/f$i >>/root/sums && sync && echo ROUND-$i-; done; echo ALL-WRITTEN' >/tmp/writer""")
    pc.send("setsid sh /tmp/writer </dev/null >/dev/console 2>&1 &")
    pc.hear("ROUND-10-", 120)
    lab.kill_server()
    time.sleep(3)  # the guest must meet the outage, not a quick restart
    lab.start_server()
    pc.hear("ROUND-50-", 240)
    pc.plug(False)
    time.sleep(30)  # as long as somebody takes to find the cable
    pc.plug(True)
    pc.hear("ALL-WRITTEN", 240)
    check(pc.run("wc -l < /root/sums").strip() == "100", "the guest lost rounds")
    errors = pc.run("dmesg | grep -iE 'I/O error|remount|aborting journal' || true")
    check(not errors, f"the guest saw errors: {errors}")
    # From the disk and not from memory, before anything is started anew.
    pc.run("sync; echo 3 >/proc/sys/vm/drop_caches")
    check(pc.run("sha256sum -c /root/sums >/tmp/sums && wc -l < /tmp/sums", 120).strip() == "100", "written data is gone")
    reboot(lab, pc, cut=True)
    # Replaying the journal is what a cut leaves to do; any other line would name a repair.
    said = [line for line in pc.run("cat /run/fsck.log").splitlines() if not line.endswith("recovering journal")]
    check(pc.run("cat /run/fsck.code") in ("0", "1") and len(said) == 1 and " blocks" in said[0],
          f"fsck after the power cut: {said}")
    check(pc.run("sha256sum -c /root/sums >/tmp/sums && wc -l < /tmp/sums", 120).strip() == "100", "flushed data is gone")


def the_rail_stops_where_the_boot_stops(lab):
    """Without a script (unknown computer) and without a disk (no image) the boot stops there, with its cause."""
    lab.start_server()
    unknown = lab.machine("unknown", MAC % 4)
    unknown.power_on()

    def found(mac):
        return next((c for c in lab.api("GET", "/clients")["items"] if c["mac"] == mac), None)

    def stopped(mac, code):
        client = found(mac)
        boot = client and client["last_boot"]
        return boot if boot and boot["state"] == "stopped" and boot["cause"]["code"] == code else None

    boot = until("the unknown computer to stop", 90, lambda: stopped(MAC % 4, "not_adopted"))
    check(hop(boot, "dhcp")["state"] == "done" and hop(boot, "ipxe")["state"] == "failed", f"rail: {boot['hops']}")
    check(hop(boot, "disk")["state"] == "pending", f"rail: {boot['hops']}")
    check(found(MAC % 4)["state"] == "discovered", "it is not shown as discovered")
    unknown.power_off()

    lab.nsboot("client", "add", MAC % 5, "--name", "pc-5")
    bare = lab.machine("pc-5", MAC % 5)
    bare.power_on()
    boot = until("the computer without an image to stop", 90, lambda: stopped(MAC % 5, "no_image"))
    failed = [h["hop"] for h in boot["hops"] if h["state"] == "failed"]
    check(failed and failed[0] in ("ipxe", "disk"), f"rail: {boot['hops']}")
    check(hop(boot, "kernel")["state"] == "pending", f"rail: {boot['hops']}")


def goes_through_the_loader(lab):
    """The ROM is iPXE; sent through undionly.kpxe by TFTP once, it is one boot, and the next one skips it again."""
    with_image(lab)
    lab.nsboot("client", "add", MAC % 1, "--name", "pc-1", "--image", "self-test", "--mode", "reset")
    lab.api("POST", "/clients/pc-1/actions/through-loader")
    pc = lab.machine("pc-1", MAC % 1)
    pc.power_on()
    boot = lab.wait_ready("pc-1")
    loader = hop(boot, "loader")
    check(loader["state"] == "done", f"the loader hop is {loader['state']}")
    notes = [n["text"] for n in boot["notes"] if n["hop"] == "loader"]
    check(any("undionly.kpxe fetched" in n for n in notes), f"no fetched loader among {notes}")
    check(len(lab.api("GET", "/boots")["items"]) == 1, "the loader's own DISCOVER began a second boot")


def settings_go_back_by_themselves(lab):
    """Boot network and page come from saved settings. A change that cuts the page off from the computers comes back
    by itself, and so does one that takes a running computer its disk; the computer goes on."""
    lab.start_server(inside=True)
    image = os.environ["SELFTEST_IMAGE"]
    lab.nsboot("image", "import", image, "--name", "self-test")
    lab.nsboot("network", "set", "br0", "--range", "10.77.0.100-10.77.0.199")
    trial = lab.api("GET", "/settings")["trial"]
    lab.api("POST", "/settings/actions/confirm", {"revision": trial["revision"]})
    lab.nsboot("client", "add", MAC % 5, "--name", "pc-5", "--image", "self-test", "--mode", "keep")
    pc = lab.machine("pc-5", MAC % 5)
    pc.power_on()
    lab.wait_ready("pc-5")

    look = f"bash -c 'exec 3<>/dev/tcp/{SERVER}/3000' 2>/dev/null && echo there || echo away"
    check(pc.run(look) == "there", "the computer does not reach the page")
    change = {"values": {"http.listen": "127.0.0.1:3000", "clients.unknown": "adopt"}, "confirm_within_seconds": 15}
    trial = lab.api("PATCH", "/settings", change)["trial"]
    check(pc.run(look) == "away", "the page was not cut off")
    until("the page, by itself", 60, lab.page_is_there)
    check(pc.run(look) == "there", "the computer does not reach the page again")
    revision = lab.api("GET", f"/settings/revisions/{trial['revision']}")
    check(revision["state"] == "reverted", f"the change is {revision['state']}")
    entries = lab.api("GET", "/audit?action=setting.revert")["items"]
    check(entries and entries[0]["actor"]["kind"] == "system", f"no entry of the return: {entries}")

    preview = lab.api("POST", "/settings/actions/preview", {"values": {"boot.br0": None}})
    check(preview["effects"][0]["computers"] == ["pc-5"], f"the preview names {preview['effects']}")
    pc.run("""echo 'for i in $(seq 20); do dd if=/dev/urandom of=/root/f$i bs=64k count=4 conv=fsync 2>/dev/null """
           """&& echo ROUND-$i-; sleep 1; done; echo ALL-WRITTEN' >/tmp/writer""")
    pc.send("setsid sh /tmp/writer </dev/null >/dev/console 2>&1 &")
    pc.hear("ROUND-3-", 120)
    lab.api("PATCH", "/settings", {"values": {"boot.br0": None}, "confirm_within_seconds": 10})
    gone = [n for n in lab.api("GET", "/networks")["items"] if n["interface"] == "br0"]
    check(all(n["error"] for n in gone), f"the network is still served: {gone}")
    pc.hear("ALL-WRITTEN", 180)
    check(lab.api("GET", "/settings").get("trial") is None, "the trial is not over")

    number = lab.api("PATCH", "/settings", {"values": {"clients.unknown": "adopt"}})["revision"]
    lab.nsboot("setting", "undo", str(number))
    shown = json.loads(lab.nsboot("setting", "show", "clients.unknown", "-o", "json"))
    check(shown["value"] == "discover" and shown["source"] == "default", f"not undone: {shown}")


TESTS = [boots_and_tells_the_truth, goes_through_the_loader, keep_keeps_and_reset_forgets, a_guest_outlives_the_server,
         the_rail_stops_where_the_boot_stops, settings_go_back_by_themselves]


if __name__ == "__main__":
    main(TESTS)
