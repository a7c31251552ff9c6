"""Reads a capture of the bridge: when each hop of a boot was really on the wire, and who said what."""
import collections
import ipaddress
import struct


def frames(path):
    """(seconds, bytes) of each frame of a pcap file of Ethernet, little-endian, microseconds."""
    data = path.read_bytes()
    magic, = struct.unpack_from("<I", data, 0)
    assert magic == 0xA1B2C3D4, f"not the pcap form that tcpdump writes here: {magic:#x}"
    at = 24
    while at + 16 <= len(data):
        seconds, micros, length, _ = struct.unpack_from("<IIII", data, at)
        if at + 16 + length > len(data):
            break  # still being written
        yield seconds + micros / 1e6, data[at + 16:at + 16 + length]
        at += 16 + length


def dhcp_type(payload):
    """The value of DHCP option 53, or None."""
    at = 240
    while at + 1 < len(payload) and payload[at] != 255:
        if payload[at] == 0:
            at += 1
            continue
        if payload[at] == 53:
            return payload[at + 2]
        at += 2 + payload[at + 1]
    return None


Datagram = collections.namedtuple("Datagram", "source source_port target_port payload")
# `kind` as in option 53; `address` is yiaddr, the one handed out; `file` is the boot file's field.
Dhcp = collections.namedtuple("Dhcp", "source kind address mac file")
OFFER, ACK = 2, 5


def datagrams(path):
    """Each UDP datagram over IPv4."""
    for _, frame in frames(path):
        if frame[12:14] == b"\x08\x00" and frame[23] == 17:
            header = 14 + (frame[14] & 15) * 4
            ports = struct.unpack_from(">HH", frame, header)
            yield Datagram(str(ipaddress.IPv4Address(frame[26:30])), *ports, frame[header + 8:])


def dhcp(path):
    """Each DHCP message, also those of port 4011."""
    for source, source_port, target_port, payload in datagrams(path):
        if {source_port, target_port} & {67, 4011} and len(payload) > 240:
            address = str(ipaddress.IPv4Address(payload[16:20]))
            file = payload[108:236].partition(b"\0")[0].decode(errors="replace")
            yield Dhcp(source, dhcp_type(payload), address, payload[28:34].hex(":"), file)


def segments(path, text):
    """The places in their streams of TCP segments that hold `text`; one that was sent again counts once."""
    places = set()
    for _, frame in frames(path):
        if frame[12:14] == b"\x08\x00" and frame[23] == 6 and text in frame:
            header = 14 + (frame[14] & 15) * 4
            # Addresses, ports and sequence number.
            places.add((frame[26:34], frame[header:header + 8]))
    return places


def hops(path, mac, since):
    """First time of each sign of the boot of `mac` after `since`, seconds since 1970."""
    mac = bytes.fromhex(mac.replace(":", ""))
    seen = {}
    logins = 0
    for when, frame in frames(path):
        if when < since or frame[12:14] != b"\x08\x00" or mac not in (frame[0:6], frame[6:12], ):
            # Broadcast answers carry the hardware address inside.
            if when < since or frame[12:14] != b"\x08\x00" or mac not in frame[:100]:
                continue
        header = 14 + (frame[14] & 15) * 4
        source, target = struct.unpack_from(">HH", frame, header)
        protocol = frame[23]
        if protocol == 17 and {source, target} == {67, 68}:
            kind = {1: "discover", 5: "ack"}.get(dhcp_type(frame[header + 8:]))
            if kind:
                seen.setdefault(kind, when)
        elif protocol == 6:
            payload = frame[header + (frame[header + 12] >> 4) * 4:]
            if target == 8080 and payload.startswith(b"GET /b/"):
                seen.setdefault("script", when)
            elif target == 8080 and payload.startswith(b"POST /b/ready"):
                seen.setdefault("ready", when)
            elif source == 3260 and len(payload) >= 48 and payload[0] & 0x3F == 0x23 and payload[1] & 0x83 == 0x83 \
                    and payload[36:38] == b"\0\0":
                # A login response that goes over to the full feature phase: firmware first, then the kernel.
                logins += 1
                seen.setdefault(f"login{logins}", when)
    return seen
