#!/usr/bin/env python3
"""A processing script, in Python with its standard library alone: owns a processing block, waits for its resources, works, says how it ended.

As a realtime script it receives packets until its execution block ends; as a batch script it counts the primes up to the parameter `up_to`.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

API = os.environ["SCANPLANE_API"]
TOKEN = os.environ.get("SCANPLANE_TOKEN", "")
TTL_SECONDS = int(os.environ.get("CLAIM_TTL_SECONDS", "10"))
BROKEN = (OSError, http.client.HTTPException)


class Refused(Exception):
    """The API said no, and will say so again."""

    def __init__(self, status, reason):
        super().__init__(f"{status} {reason}")
        self.status = status


class Over(Exception):
    """There is nothing left to do. `status`: what the block's state is to say then; None: it says so already."""

    def __init__(self, status=None):
        super().__init__(status)
        self.status = status


def request(method, path, body=None, timeout=10, **headers):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **headers}
    return urllib.request.urlopen(urllib.request.Request(API + path, data, headers, method=method), timeout=timeout)


def call(method, path, body=None, patience=60, **headers):
    """Asks until there is an answer, for `patience` seconds. Whatever is asked here may be asked twice."""
    give_up = time.monotonic() + patience
    while True:
        try:
            with request(method, path, body, min(10, max(patience, 0.1)), **headers) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as err:
            if err.code < 500 and err.code != 429:
                raise Refused(err.code, err.reason) from None
        except BROKEN:
            pass
        if time.monotonic() >= give_up:
            raise TimeoutError(f"no answer from the API to {method} {path}")
        time.sleep(0.2 + random.random() / 2)


def events(path):
    """The object at `path`, now and after each change, for ever. None: it is gone."""
    last = {}
    while True:
        try:
            with request("GET", path, timeout=60, Accept="text/event-stream", **last) as stream:
                event = {}
                for line in stream:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name:
                        event[name] = value
                        continue
                    if "id" in event:
                        last = {"Last-Event-ID": event["id"]}
                    if event.get("event") in ("put", "delete"):
                        yield json.loads(event["data"]) if event["event"] == "put" else None
                    event = {}
        except BROKEN as err:
            if isinstance(err, urllib.error.HTTPError) and err.code == 404:
                yield None
        time.sleep(1)


class Block:
    """A processing block that this process owns, and its execution block; renewed and followed in threads."""

    def __init__(self, pb_id):
        self.path = f"/pb/{pb_id}"
        self.claim = self._claim()
        self.released = threading.Event()
        self.changed = threading.Condition()
        self.objects = {}
        threading.Thread(target=self._renew, daemon=True).start()
        self._follow("pb", self.path)
        if self.eb_id is not None:
            self._follow("eb", f"/eb/{self.eb_id}")

    eb_id = property(lambda self: self.objects["pb"]["spec"]["eb_id"])
    spec = property(lambda self: self.objects["pb"]["spec"])
    state = property(lambda self: self.objects["pb"]["state"] or {"status": None})
    is_realtime = property(lambda self: self.spec["script"]["kind"] == "realtime")

    def check(self):
        """Raises Over when the block has been cancelled or removed, or its observation has ended."""
        if self.objects["pb"] is None or self.state["status"] in ("FINISHED", "FAILED", "CANCELLED"):
            raise Over()
        if self.is_realtime and self.eb_id is not None:
            eb = self.objects["eb"]
            status = "CANCELLED" if eb is None else eb["spec"]["status"]
            if status in ("FINISHED", "CANCELLED"):
                raise Over(status)

    def wait_for_resources(self):
        with self.changed:
            while not self.state.get("resources_available"):
                self.changed.wait()
                self.check()

    def write(self, **members):
        """Changes members of the state, all else kept. Refused once the claim is gone, so that no former owner writes."""
        try:
            call("PATCH", f"{self.path}/state", members, **{"Owner-Revision": str(self.claim)})
        except Refused as refusal:
            if refusal.status == 409 and not self._is_owner():
                lose()
            if refusal.status == 409:
                raise Over() from None
            raise

    def release(self):
        self.released.set()
        with contextlib.suppress(Refused, TimeoutError):
            call("DELETE", f"{self.path}/owner", patience=5, **{"Owner-Revision": str(self.claim)})

    def _claim(self):
        claimant = f"{random.SystemRandom().getrandbits(128):032x}"
        wanted = {"command": sys.argv[:1], "hostname": socket.gethostname(), "pid": os.getpid(), "ttl_seconds": TTL_SECONDS, "claimant": claimant}
        while True:
            try:
                return call("POST", f"{self.path}/owner", wanted)["owner_revision"]
            except Refused as refusal:
                state = call("GET", self.path)["state"] if refusal.status == 409 else None
                if state is None:
                    raise
                if state["status"] in ("FINISHED", "FAILED", "CANCELLED"):
                    raise Over() from None
            time.sleep(0.5)  # Its former owner may be dead: then its claim ends by itself.

    def _renew(self):
        held_until = time.monotonic() + TTL_SECONDS
        while not self.released.wait(TTL_SECONDS / 4):
            try:
                asked = time.monotonic()
                call("PUT", f"{self.path}/owner", patience=held_until - asked, **{"Owner-Revision": str(self.claim)})
                held_until = asked + TTL_SECONDS
            except (Refused, TimeoutError):
                if not self.released.is_set():
                    lose()

    def _is_owner(self):
        try:
            return call("GET", f"{self.path}/owner")["owner_revision"] == self.claim
        except Refused:
            return False

    def _follow(self, name, path):
        known = threading.Event()

        def follow():
            for found in events(path):
                with self.changed:
                    self.objects[name] = found
                    self.changed.notify_all()
                known.set()

        threading.Thread(target=follow, daemon=True).start()
        known.wait()


def lose():
    """Ends this process at once: somebody else may own the block now."""
    print("lost ownership", file=sys.stderr, flush=True)
    os._exit(1)


def receive(block):
    """Counts packets until the observation ends."""
    eb = block.objects.get("eb")
    scan_types = [] if eb is None else eb["spec"]["scan_types"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
        packets.bind((block.spec["parameters"].get("interface", "127.0.0.1"), 0))
        packets.settimeout(0.1)
        host, port = packets.getsockname()
        block.write(
            receive_addresses=[
                {"scan_type_id": scan_type["scan_type_id"], "host": [[0, host]], "port": [[0, port, 1]]} for scan_type in scan_types
            ]
        )
        count = 0
        try:
            while True:
                block.check()
                with contextlib.suppress(TimeoutError, socket.timeout):
                    packets.recv(65536)
                    count += 1
        finally:
            print(f"{count} packets were received", flush=True)


def count_primes(block):
    count = 0
    for number in range(2, block.spec["parameters"]["up_to"] + 1):
        if number % 1000 == 0:
            block.check()
        count += all(number % factor for factor in range(2, int(number**0.5) + 1))
    block.write(primes=count)


def main(pb_id):
    block = Block(pb_id)
    try:
        block.check()
        block.write(status="WAITING")
        block.wait_for_resources()
        block.write(status="RUNNING", deployments=block.state.get("deployments", {}))
        (receive if block.is_realtime else count_primes)(block)
        block.write(status="FINISHED")
    except Over as over:
        if over.status is not None:
            block.write(status=over.status)
    except Exception as err:  # Whatever it is, the block must say so.
        block.write(status="FAILED", reason=f"{type(err).__name__}: {err}")
        raise
    finally:
        block.release()


if __name__ == "__main__":
    # Being stopped is no end of the block: whoever starts the script again goes on.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.suppress(Over):
        main(os.environ["SCANPLANE_PB_ID"])
