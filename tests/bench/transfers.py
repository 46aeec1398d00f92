"""Whole files to and from a server, several at once."""

import concurrent.futures
import http.client
import time

LENGTH = 100_000_000
PIECE = bytes(1 << 20)
PATIENCE = 120


def transfer(port, method, path, headers, at_once):
    """Carries so many files, each on a connection of its own. The seconds that each took."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        carried = [pool.submit(carry, port, method, path, headers) for _ in range(at_once)]
        return [one.result() for one in carried]


def carry(port, method, path, headers):
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if method == "PUT":
            connection.putheader("Content-Length", str(LENGTH))
        connection.endheaders()
        if method == "PUT":
            left = LENGTH
            while left:
                sent = min(left, len(PIECE))
                connection.sock.sendall(memoryview(PIECE)[:sent])
                left -= sent
        answer = connection.getresponse()
        buffer, length = bytearray(1 << 20), 0
        while taken := answer.readinto(buffer):
            length += taken
    finally:
        connection.close()
    if answer.status != 200 or method == "GET" and length != LENGTH:
        raise SystemExit(f"{method} {path}: {answer.status} with {length} bytes: {bytes(buffer[:200])}")
    return time.perf_counter() - began
