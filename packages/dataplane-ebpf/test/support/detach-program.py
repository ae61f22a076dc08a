# Detaches a program from its link, as `bpftool link detach` does, whoever holds the attachment. `detach-program.py PROGRAM`: its number.
import ctypes
import os
import platform
import struct
import sys

BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
GET_INFO_BY_FD, GET_FD_BY_ID, GET_NEXT_ID, DETACH = 15, 30, 31, 34
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    result = libc.syscall(BPF, command, attributes, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf {command}")
    return result


def program_of(link):
    # Kind, number and program of a link come first in what is told of it.
    info = ctypes.create_string_buffer(256)
    bpf(GET_INFO_BY_FD, ctypes.create_string_buffer(struct.pack("=IIQ", link, len(info), ctypes.addressof(info)), 128))
    return struct.unpack_from("=III", info)[2]


def links():
    number = 0
    while True:
        attributes = ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 128)
        try:
            bpf(GET_NEXT_ID, attributes)
        except FileNotFoundError:
            return
        number = struct.unpack_from("=I", attributes, 4)[0]
        try:
            yield bpf(GET_FD_BY_ID, ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 128))
        except FileNotFoundError:
            pass


found = 0
for link in links():
    if program_of(link) == int(sys.argv[1]):
        bpf(DETACH, ctypes.create_string_buffer(struct.pack("=I", link), 128))
        found += 1
    os.close(link)
sys.exit(0 if found == 1 else f"{found} attachments of program {sys.argv[1]}")
