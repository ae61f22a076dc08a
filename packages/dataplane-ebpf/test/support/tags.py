# Says of each frame that comes in by `up0`, a line each, what stands in its VLAN tag, which the kernel takes out of the frame, or that it has none; and its
# octets, in hexadecimal.
import socket
import struct

SOL_PACKET, PACKET_AUXDATA, ALL = 263, 8, 3
VLAN_VALID = 1 << 4
OUTGOING = 4

with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as own:
    own.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    own.bind(("up0", ALL))
    print("ready", flush=True)
    while True:
        frame, ancillary, _, sender = own.recvmsg(2048, 64)
        if sender[2] == OUTGOING:
            continue
        (data,) = (data for level, kind, data in ancillary if (level, kind) == (SOL_PACKET, PACKET_AUXDATA))
        status, _, _, _, _, tag, _ = struct.unpack("=IIIHHHH", data[:20])
        print(tag if status & VLAN_VALID else "none", frame.hex(), flush=True)
