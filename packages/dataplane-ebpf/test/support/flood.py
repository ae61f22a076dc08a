# Sends frames by every link of its namespace as fast as it can, and sets those links up that are down: what an endpoint may do whose devices come and go.
# The frames are broadcasts, so that their receiver takes them whatever its MAC address is: flood.py FRAME, in hexadecimal digits.
import fcntl
import socket
import struct
import sys

SIOCSIFFLAGS = 0x8914
UP = 1

frame = bytes.fromhex(sys.argv[1])
# None is bound, since it takes the kernel long to let go of one that is.
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
print("ready", flush=True)
while True:
    for index, name in socket.if_nameindex():
        if name == "lo":
            continue
        try:
            for _ in range(50):
                sender.sendto(frame, (name, 0x0800))
        except OSError:
            # It goes, is down, or leads nowhere yet.
            try:
                fcntl.ioctl(sender, SIOCSIFFLAGS, struct.pack("16sh14x", name.encode(), UP))
            except OSError:
                pass
