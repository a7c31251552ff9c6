"""The stage of the lab tests: a network namespace, the real binary, QEMU machines with BIOS or UEFI.

Nothing here reaches the host's own network, and nothing outlives the test. The namespace is made by
the test, not by `nsboot lab`, because these machines must go on while the server is killed.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PASSWORD = "correct-horse-battery"
SERVER = "10.77.0.1"
# Where another DHCP server stands, and which addresses it hands out; ours come after them.
ROUTER = "10.77.0.2"
ROUTER_RANGE = ("10.77.0.50", "10.77.0.90")
OVMF = pathlib.Path("/usr/share/OVMF")


def _die_with_us():
    """Run in the child: the kernel kills it when the test ends, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def until(what, seconds, look):
    """Looks until there is something to see; a try in vain names what was waited for."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.1)


class Lab:
    """Namespace with bridge, data folder, server and machines of one test."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="nsboot-lab-"))
        self.namespace = f"nsblab-{os.getpid()}"
        self.data = self.dir / "data"
        self.machines, self.others, self.server = [], [], None
        self.inside, self.router = False, None
        # What ours hands out.
        self.range, self.cables = "10.77.0.100-10.77.0.199", []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._ip("netns", "add", self.namespace)
        for args in (["link", "add", "br0", "type", "bridge"], ["addr", "add", f"{SERVER}/24", "dev", "br0"],
                     ["link", "set", "br0", "up"], ["link", "set", "lo", "up"]):
            self._ip("-n", self.namespace, *args)

    def _write_config(self):
        """Beside a foreign DHCP server ours hands out no addresses."""
        dhcp = 'mode = "proxy"' if self.router else f'mode = "full"\nrange = "{self.range}"'
        (self.dir / "nsboot.toml").write_text(f"""[http]
listen = "127.0.0.1:{self.port}"
[[boot]]
interface = "br0"
namespace = "{self.namespace}"
{dhcp}
[clients]
unknown = "discover"
""")

    def widen(self):
        """Room for some ten thousand computers; call it before the server starts."""
        self.range = "10.77.16.0-10.77.239.255"
        self._ip("-n", self.namespace, "addr", "add", f"{SERVER}/16", "dev", "br0")
        self._ip("-n", self.namespace, "addr", "del", f"{SERVER}/24", "dev", "br0")

    def cable(self, name, mac, address=None):
        """A namespace that ends with the test and whose card `eth0` is at the bridge; its name."""
        other = f"{self.namespace}-{name}"
        self._ip("netns", "add", other)
        self.cables.append(other)
        near = f"v{name}"
        self._ip("-n", self.namespace, "link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", other)
        self._ip("-n", self.namespace, "link", "set", near, "master", "br0", "up")
        self._ip("-n", other, "link", "set", "eth0", "address", mac, "up")
        if address:
            self._ip("-n", other, "addr", "add", address, "dev", "eth0")
        return other

    def foreign_dhcp(self):
        """A router on the bridge, with a MAC and a namespace of its own, whose DHCP hands out ROUTER_RANGE and knows
        nothing of booting. A server that is started after this is a proxy."""
        self.router = f"{self.namespace}-r"
        self._ip("netns", "add", self.router)
        self._ip("-n", self.namespace, "link", "add", "veth0", "type", "veth", "peer", "name", "lan0", "netns", self.router)
        self._ip("-n", self.namespace, "link", "set", "veth0", "master", "br0", "up")
        self._ip("-n", self.router, "addr", "add", f"{ROUTER}/24", "dev", "lan0")
        self._ip("-n", self.router, "link", "set", "lan0", "up")
        self.others.append(self.spawn(
            ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--port=0", "--no-ping", "--log-dhcp",
             f"--dhcp-leasefile={self.dir}/router.leases", "--interface=lan0", "--bind-interfaces",
             f"--dhcp-range={','.join(ROUTER_RANGE)},1h"], "router.log", namespace=self.router))
        until("the router's DHCP", 10, lambda: "DHCP, IP range" in self.log("router.log"))

    @staticmethod
    def _ip(*args):
        subprocess.run(["ip", *args], check=True)

    def spawn(self, argv, log, namespace=None):
        """Starts a process inside the namespace that ends with the test."""
        with open(self.dir / log, "ab") as out:
            argv = ["nsenter", f"--net=/run/netns/{namespace or self.namespace}", *map(str, argv)]
            return subprocess.Popen(argv, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                    preexec_fn=_die_with_us)

    def start_server(self, inside=False):
        """Starts the binary and waits for it. The page is on the host's loopback; with `inside` the whole server is
        in the namespace and has no file: what it serves is what its settings say."""
        binary = os.environ.get("NSBOOT_BIN", str(ROOT / "target/release/nsboot"))
        env = {k: v for k, v in os.environ.items() if not k.startswith("NSBOOT_")}
        env["NSBOOT_ADMIN_PASSWORD"] = PASSWORD
        self.inside = inside
        self._write_config()
        argv = [binary, "serve", "--data", str(self.data)]
        argv += [] if inside else ["--config", str(self.dir / "nsboot.toml")]
        with open(self.dir / "server.log", "ab") as out:
            self.server = subprocess.Popen(self._within(argv), stdout=out, stderr=out, env=env, preexec_fn=_die_with_us)
        self.binary = binary
        until("the server", 30, self._ready)
        answer = self.api("POST", "/auth/login", {"username": "admin", "password": PASSWORD}, token=None)
        self.token = answer["access_token"]

    def _within(self, argv):
        enter = ["nsenter", f"--net=/run/netns/{self.namespace}"] if self.inside else []
        return [*enter, *argv]

    def _ready(self):
        if self.server.poll() is not None:
            raise RuntimeError(f"the server ended:\n{self.log('server.log')}")
        if self.inside:
            return self.page_is_there()
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status == 200

    def kill_server(self):
        """As a power cut does: no signal handler runs."""
        self.server.kill()
        self.server.wait()

    def page_is_there(self):
        """Whether the page answers where computers of the namespace find it."""
        done = subprocess.run(self._within(["curl", "-sf", "-m", "5", f"http://{SERVER}:3000/readyz"]), capture_output=True)
        return done.returncode == 0

    def _api_inside(self, method, path, body, token):
        argv = ["curl", "-s", "-m", "30", "-X", method, "-w", "\n%{http_code}", f"http://{SERVER}:3000/api/v1{path}"]
        if body is not None:
            argv += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        if token is not None:
            argv += ["-H", f"Authorization: Bearer {self.token}"]
        done = subprocess.run(self._within(argv), capture_output=True, text=True)
        text, _, status = done.stdout.rpartition("\n")
        if done.returncode or int(status) >= 400:
            raise RuntimeError(f"{method} {path}: curl {done.returncode}, {status} {text}")
        return json.loads(text) if text else None

    def api(self, method, path, body=None, token=""):
        """One REST call by a connection of its own; a problem is raised with its text."""
        if self.inside:
            return self._api_inside(method, path, body, token)
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error
        return json.loads(text) if text else None

    def nsboot(self, *args):
        """One command of the binary, as a person on this box types it."""
        done = subprocess.run([self.binary, "--data", str(self.data), *args], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"nsboot {' '.join(args)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def client(self, name):
        return self.api("GET", f"/clients/{name}")

    def boot_of(self, name, after=None):
        """The last boot of a client, unless it is the one with the id `after`."""
        boot = self.client(name).get("last_boot")
        return None if boot is None or boot["id"] == after else boot

    def wait_ready(self, name, after=None, seconds=180):
        """Waits for a boot that is ready; a stopped one raises with its cause."""
        def look():
            boot = self.boot_of(name, after)
            return boot if boot and boot["state"] == "ready" else None
        try:
            return until(f"{name} to be ready", seconds, look)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it stands at {json.dumps(self.boot_of(name, after))}; "
                               f"its console ends with:\n{self.log(name + '.serial.log')[-1500:]}") from None

    def log(self, name):
        path = self.dir / name
        return path.read_text(errors="replace") if path.exists() else ""

    def machine(self, name, mac, firmware="bios", nic="virtio-net-pci"):
        machine = Machine(self, name, mac, firmware, nic)
        self.machines.append(machine)
        return machine

    def capture(self, length=600):
        """Records the first `length` bytes of each frame on the bridge from now on; `frames()` reads what there is."""
        path = self.dir / "capture.pcap"
        tcpdump = self.spawn(["tcpdump", "-i", "br0", "-U", "-n", "-s", length, "-Z", "root", "-w", path], "tcpdump.log")
        self.others.append(tcpdump)
        until("tcpdump", 10, lambda: "listening on" in self.log("tcpdump.log"))
        return path

    def close(self, keep=False):
        for machine in self.machines:
            machine.power_off()
        for process in [*self.others, *([self.server] if self.server else [])]:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for namespace in filter(None, [*self.cables, self.router, self.namespace]):
            self._ip("netns", "del", namespace)
        if keep:
            print(f"logs are in {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def _bios(machine):
    """The network card's ROM is iPXE."""
    return ["-boot", "n", "-device", f"{machine.nic},netdev=n0,mac={machine.mac}"]


def _uefi(machine, code="OVMF_CODE_4M.fd", store="OVMF_VARS_4M.fd", kind="q35"):
    """EDK2 with its own network stack, since the card has no ROM. Its variables are new at each power-on. Later
    versions of it have no network without a source of randomness."""
    shutil.copy(OVMF / store, machine.lab.dir / f"{machine.name}.vars.fd")
    return ["-machine", kind, "-device", "virtio-rng-pci",
            "-drive", f"if=pflash,format=raw,readonly=on,file={OVMF / code}",
            "-drive", f"if=pflash,format=raw,file={machine.name}.vars.fd",
            "-device", f"{machine.nic},netdev=n0,mac={machine.mac},bootindex=1,romfile="]


def _uefi_http(machine):
    """UEFI whose setup has PXE switched off: HTTP Boot is all that is left."""
    off = [["-fw_cfg", f"name=opt/org.tianocore/IPv{v}PXESupport,string=n"] for v in (4, 6)]
    return [*_uefi(machine), *off[0], *off[1]]


def _uefi_secure(machine):
    """UEFI with Secure Boot on and Microsoft's keys, which only code in system management mode can change."""
    return [*_uefi(machine, "OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd", "q35,smm=on"),
            "-global", "driver=cfi.pflash01,property=secure,value=on"]


FIRMWARE = {"bios": _bios, "uefi": _uefi, "uefi-http": _uefi_http, "uefi-secure": _uefi_secure}


class Machine:
    """A computer: QEMU by emulation. Its firmware, one of FIRMWARE, may be another at each power-on."""
    program = "qemu-system-x86_64"

    def __init__(self, lab, name, mac, firmware, nic):
        self.lab, self.name, self.mac, self.process, self.serial = lab, name, mac, None, None
        self.firmware, self.nic = firmware, nic
        self.news = threading.Condition()
        self.tap = "tap" + mac.replace(":", "")[-6:]
        for args in (["tuntap", "add", "dev", self.tap, "mode", "tap"], ["link", "set", self.tap, "master", "br0"],
                     ["link", "set", self.tap, "up"]):
            Lab._ip("-n", lab.namespace, *args)

    def power_on(self):
        assert not self.process or self.process.poll() is not None
        self.process = self.lab.spawn(
            [self.program, "-accel", "tcg", "-m", "1024", "-nodefaults", "-display", "none", *FIRMWARE[self.firmware](self),
             "-uuid", f"00000000-0000-4000-8000-{self.mac.replace(':', '')}",
             "-netdev", f"tap,id=n0,ifname={self.tap},script=no,downscript=no",
             "-chardev", f"socket,id=s0,path={self.name}.sock,server=on,wait=off,logappend=on,"
                         f"logfile={self.name}.serial.log",
             "-serial", "chardev:s0"], f"{self.name}.qemu.log")
        self.on_at = time.time()

    def plug(self, is_in):
        """Pulls its network cable, or plugs it in again."""
        Lab._ip("-n", self.lab.namespace, "link", "set", self.tap, "up" if is_in else "down")

    def power_off(self):
        """Cuts the power."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.serial:
            self.listener.join()
            self.serial.close()
            self.serial = None

    def send(self, line):
        """Types a line on the serial console."""
        if not self.serial:
            self.serial = socket.socket(socket.AF_UNIX)
            self.serial.connect(str(self.lab.dir / f"{self.name}.sock"))
            self.heard, self.is_closed = b"", False
            self.listener = threading.Thread(target=self._listen, args=[self.serial], daemon=True)
            self.listener.start()
        self.serial.sendall(line.encode() + b"\n")

    def _listen(self, serial):
        """Takes in all that the console says, always: a full socket stops the guest in the middle of a line."""
        with contextlib.suppress(OSError):
            while data := serial.recv(65536):
                with self.news:
                    self.heard += data
                    self.news.notify_all()
        with self.news:
            self.is_closed = True
            self.news.notify_all()

    def hear(self, mark, seconds):
        """Waits until the console says `mark`, and returns what came before."""
        mark = mark.encode()
        with self.news:
            self.news.wait_for(lambda: mark in self.heard or self.is_closed, seconds)
            if mark not in self.heard:
                if self.is_closed:
                    raise RuntimeError(f"the console of {self.name} closed")
                raise TimeoutError(f"{self.name} did not say {mark!r} in {seconds} s: {self.heard[-500:]!r}")
            before, _, self.heard = self.heard.partition(mark)
        return before.decode(errors="replace")

    def _meet_shell(self):
        """Waits for a shell that answers: one that is just being started anew loses what was typed before."""
        for _ in range(6):
            self.send("echo SHELL''-HERE")
            with contextlib.suppress(TimeoutError):
                self.hear("SHELL-HERE", 10)
                return
        raise TimeoutError(f"no shell answers on the console of {self.name}")

    def run(self, command, seconds=60):
        """Runs a shell command in the guest and returns its output; another status than 0 raises."""
        self._meet_shell()
        # The quotes keep the marks out of the echo of the line itself.
        self.send(f"stty -echo 2>/dev/null; echo BEG''IN-OF; {command}\necho END''-OF-$?-")
        self.hear("BEGIN-OF", seconds)
        output = self.hear("END-OF-", seconds)
        status = self.hear("-", seconds)
        lines = [line for line in output.replace("\r", "").split("\n")[1:] if line not in ("/ # ", "~ # ", "")]
        if status != "0":
            raise RuntimeError(f"`{command}` in {self.name} ended with {status}: {lines}")
        return "\n".join(line.removeprefix("/ # ") for line in lines)
