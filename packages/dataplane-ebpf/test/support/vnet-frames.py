# Sends frames on `eth0` by hand, with what the kernel is told of them (`struct virtio_net_hdr`). Each line of standard input is one: flags, type and size of
# segmentation, octets of its headers, where the sum begins and where the checksum lies from there, and the frame in hexadecimal. All by one CPU, which knows
# the flows of those before. Says how many the kernel took.
import errno
import os
import socket
import struct
import sys

SOL_PACKET, PACKET_VNET_HDR = 263, 15

os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
taken = 0
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as own:
    own.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    own.bind(("eth0", 0x0800))
    for line in sys.stdin:
        *words, frame = line.split()
        flags, kind, size, headers, start, offset = map(int, words)
        octets = bytes.fromhex(frame)
        head = struct.pack("=BBHHHH", flags, kind, headers, size, start, offset)
        try:
            own.sendto(head + octets, ("eth0", int.from_bytes(octets[12:14], "big")))
            taken += 1
        except OSError as error:
            # Of a frame that its program drops, a netkit device tells the sender.
            taken += error.errno == errno.ENOBUFS
print(taken)
