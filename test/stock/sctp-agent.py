"""The SCTP end of a pod: Node has no SCTP sockets. Python's are one-to-one sockets, which behave as TCP's do.

Questions come as lines of JSON on standard input, each with an id, and the answers go to standard output with the same
id, in whatever order they are found. A socket is bound to one address, so that an association has one path and none of
its packets goes another way than the one that is asked about.
"""

import errno
import json
import select
import socket
import sys
import threading
import time

SCTP = 132
BLOCKED = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM, errno.EACCES, errno.ETIMEDOUT}
associations = {}
lock = threading.Lock()


def opened(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM, SCTP)


def echo(peer):
    try:
        while data := peer.recv(4096):
            peer.sendall(data)
    except OSError:
        pass
    peer.close()


def accept(listener):
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=echo, args=(peer,), daemon=True).start()


def serve(addresses, ports):
    for address in addresses:
        for port in ports:
            listener = opened(address)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(128)
            threading.Thread(target=accept, args=(listener,), daemon=True).start()


def connect(source, to, port, seconds):
    """The socket, and None or the error number; ETIMEDOUT where nothing came back."""
    client = opened(to)
    client.bind((source, 0))
    client.setblocking(False)
    error = client.connect_ex((to, port))
    if error == errno.EINPROGRESS:
        _, writable, _ = select.select([], [client], [], seconds)
        error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if writable else errno.ETIMEDOUT
    client.setblocking(True)
    return client, error


def exchange(client, seconds):
    """Whether a question is answered. Answers to earlier questions are read and forgotten."""
    question = b"%d." % time.monotonic_ns()
    end = time.monotonic() + seconds
    client.sendall(question)
    heard = b""
    while question not in heard:
        readable, _, _ = select.select([client], [], [], max(0, end - time.monotonic()))
        if not readable:
            return False
        data = client.recv(4096)
        if not data:
            return False
        heard += data
    return True


def abort(client):
    """An ABORT, no orderly end, which would be tried again and again where it is dropped."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def probe(source, to, port, seconds):
    client, error = connect(source, to, port, seconds)
    try:
        if error == errno.ECONNREFUSED:
            return "refused"
        if error:
            if error not in BLOCKED:
                raise OSError(error, errno.errorcode.get(error, "?"))
            return "blocked"
        return "open" if exchange(client, seconds) else "blocked"
    finally:
        abort(client)


def associate(name, source, to, port, seconds):
    client, error = connect(source, to, port, seconds)
    if error:
        raise OSError(error, errno.errorcode.get(error, "?"))
    associations[name] = client


def answered(name, seconds):
    return exchange(associations[name], seconds)


COMMANDS = {"serve": serve, "probe": probe, "associate": associate, "answered": answered}


def answer(question):
    try:
        reply = {"id": question["id"], "answer": COMMANDS[question["ask"]](**question["with"])}
    except Exception as error:
        reply = {"id": question["id"], "refusal": f"{question['ask']}: {error!r}"}
    with lock:
        print(json.dumps(reply), flush=True)


for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
