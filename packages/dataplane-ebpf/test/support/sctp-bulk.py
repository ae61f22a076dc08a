# Messages over SCTP, which Node.js does not speak. `sctp-bulk.py take ADDRESS PORT`: a line when it listens, and for a connection how many octets came, and whether
# they were those that were sent. `sctp-bulk.py send ADDRESS PORT MESSAGES`. `sctp-bulk.py ask`: whether there is SCTP.
import socket
import sys

SIZE = 200
SCTP = 132


def message(index):
    return bytes((index * 7 + octet) & 0xFF for octet in range(SIZE))


role = sys.argv[1]
with socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP) as own:
    if role == "take":
        own.bind((sys.argv[2], int(sys.argv[3])))
        own.listen(1)
        print("listening", flush=True)
        other, _ = own.accept()
        count, is_whole = 0, True
        data = other.recv(65536)
        while data:
            for octet in data:
                is_whole &= octet == (count // SIZE * 7 + count % SIZE) & 0xFF
                count += 1
            data = other.recv(65536)
        print(f"{count} octets, {'as they were sent' if is_whole else 'others than were sent'}", flush=True)
    elif role == "send":
        own.connect((sys.argv[2], int(sys.argv[3])))
        for index in range(int(sys.argv[4])):
            own.sendall(message(index))
