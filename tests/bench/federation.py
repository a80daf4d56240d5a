#!/usr/bin/env python3
"""Two sites on this machine: what the issue of federation must reach.

Prints the time of a listing of 10,000 received items with the peer dead beside that of a local folder with the same
items (alternating, medians), the requests a peer gets after one of 10,000 files in 100 folders changed, and the times
from the button to the attestation at the owner for a series of case S.

usage: federation.py [--bin target/release] [--files 10000] [--rounds 15]
Needs openssl. Everything lies in a temporary folder and on loopback."""
import argparse, base64, json, os, re, shutil, signal, socket, ssl, statistics, subprocess, sys, tempfile, time
import http.client
from concurrent.futures import ThreadPoolExecutor


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Site:
    def __init__(self, folder, name, bin_folder, authority):
        self.folder = os.path.join(folder, name)
        self.program = os.path.join(bin_folder, "stitchboxd")
        self.port = free_port()
        self.host = f"localhost:{self.port}"
        self.authority = authority
        os.makedirs(self.folder)
        certificate(authority, self.folder)
        self.environment = dict(
            os.environ,
            STITCHBOX_SERVER__ORIGIN=f"https://{self.host}",
            STITCHBOX_SERVER__TLS_CERTIFICATE=f"{self.folder}/tls.crt",
            STITCHBOX_SERVER__TLS_KEY=f"{self.folder}/tls.key",
            STITCHBOX_FEDERATION__ENABLED="true",
            STITCHBOX_FEDERATION__ALLOW_PRIVATE_ADDRESSES="true",
            STITCHBOX_FEDERATION__AUTO_ACCEPT="all",
            STITCHBOX_FEDERATION__EXTRA_CA_FILE=f"{authority}/ca.crt",
            STITCHBOX_LOG__FILTER="warn,requests=debug",
        )
        self.log = open(f"{self.folder}/log", "w+")
        self.process = subprocess.Popen(
            [self.program, "serve", "--data", f"{self.folder}/data", "--listen", f"127.0.0.1:{self.port}"],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=self.log)
        self.context = ssl.create_default_context(cafile=f"{authority}/ca.crt")
        until(lambda: self.answers(), 30)

    def answers(self):
        try:
            return self.call("GET", "/status.php", user=None)[0] == 200
        except OSError:
            return False

    def user(self, name):
        subprocess.run([self.program, "user", "add", name, "--data", f"{self.folder}/data", "--password-stdin"],
                       input=b"a-long-password\n", env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def connection(self):
        return http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=120)

    def call(self, method, path, user, body=None, headers=None, connection=None):
        headers = dict(headers or {})
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:a-long-password".encode()).decode()
        if isinstance(body, (dict, list)):
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        connection = connection or self.connection()
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def fill(self, user, paths):
        def some(part):
            connection = self.connection()
            for path in part:
                status, text = self.call("PUT", path, user, body=os.urandom(16), connection=connection)
                assert status in (201, 204), (status, text)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(some, [paths[start::8] for start in range(8)]))

    def requests(self, pattern):
        with open(f"{self.folder}/log") as log:
            return sum(1 for line in log if re.search(pattern, line))

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)


def certificate(authority, folder):
    run = lambda *words: subprocess.run(["openssl", *words], check=True, capture_output=True)
    if not os.path.exists(f"{authority}/ca.crt"):
        run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{authority}/ca.key", "-out",
            f"{authority}/ca.crt", "-days", "2", "-subj", "/CN=bench CA", "-addext", "basicConstraints=critical,CA:TRUE")
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.csr",
        "-subj", "/CN=localhost")
    with open(f"{folder}/ext", "w") as extensions:
        extensions.write("subjectAltName=DNS:localhost\n")
    run("x509", "-req", "-in", f"{folder}/tls.csr", "-CA", f"{authority}/ca.crt", "-CAkey", f"{authority}/ca.key",
        "-CAcreateserial", "-out", f"{folder}/tls.crt", "-days", "2", "-extfile", f"{folder}/ext")


def until(holds, seconds):
    end = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > end:
            sys.exit("waited in vain")
        time.sleep(0.05)


def files(user, path=""):
    return f"/remote.php/dav/files/{user}/{path}"


def entries(site, user, path, depth="1", connection=None):
    status, body = site.call("PROPFIND", files(user, path), user, headers={"Depth": depth}, connection=connection)
    return body.count(b"<d:response>") if status == 207 else 0


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bin", default="target/release")
    arguments.add_argument("--files", type=int, default=10_000)
    arguments.add_argument("--rounds", type=int, default=15)
    given = arguments.parse_args()
    folder = tempfile.mkdtemp(prefix="stitchbox-federation-")
    sites = []
    try:
        measure(given, folder, sites)
    finally:
        for site in sites:
            site.end()
        shutil.rmtree(folder, ignore_errors=True)


def measure(given, folder, sites):
    here = Site(folder, "here", given.bin, folder)
    sites.append(here)
    there = Site(folder, "there", given.bin, folder)
    sites.append(there)
    here.user("ada")
    there.user("eve")

    for site, user, name in [(here, "ada", "flat"), (there, "eve", "local")]:
        assert site.call("MKCOL", files(user, name), user)[0] == 201
        site.fill(user, [files(user, f"{name}/file-{number:05}.bin") for number in range(given.files)])
    here.call("MKCOL", files("ada", "tree"), "ada")
    for number in range(100):
        here.call("MKCOL", files("ada", f"tree/{number:03}"), "ada")
    here.fill("ada", [files("ada", f"tree/{number % 100:03}/f-{number:05}.txt") for number in range(given.files)])

    def share(path):
        body = {"kind": "federated", "space": "ada", "path": path, "role": "editor", "with": f"eve@{there.host}"}
        status, text = here.call("POST", "/api/v1/shares", "ada", body=body)
        assert status in (200, 201), (status, text)

    begun = time.monotonic()
    share("/flat")
    until(lambda: entries(there, "eve", "Shares/flat") == given.files + 1, 120)
    print(f"first fill, {given.files} files in one folder: {time.monotonic() - begun:.2f} s from the share to the last item")
    begun = time.monotonic()
    share("/tree")
    until(lambda: entries(there, "eve", "Shares/tree/099") == given.files // 100 + 1, 120)
    print(f"first fill, {given.files} files in 100 folders: {time.monotonic() - begun:.2f} s")

    time.sleep(3)
    before = here.requests(r"/dav/ocm/|/public\.php/")
    begun = time.monotonic()
    here.call("PUT", files("ada", "tree/042/new.txt"), "ada", body=b"new")
    until(lambda: there.call("PROPFIND", files("eve", "Shares/tree/042/new.txt"), "eve", headers={"Depth": "0"})[0] == 207, 90)
    took = time.monotonic() - begun
    time.sleep(2)
    print(f"one of {given.files} files changed: seen there after {took:.2f} s, "
          f"{here.requests(r'/dav/ocm/|/public.php/') - before} requests to the peer")

    repeat(given, here, there, share)

    here.end(signal.SIGKILL)
    connection = there.connection()
    times = {"Shares/flat": [], "local": []}
    for turn in range(given.rounds + 2):
        for path in times:
            begun = time.perf_counter()
            count = entries(there, "eve", path, connection=connection)
            assert count == given.files + 1, (path, count)
            if turn >= 2:
                times[path].append(time.perf_counter() - begun)
    received, local = (statistics.median(times[path]) * 1000 for path in ("Shares/flat", "local"))
    print(f"listing of {given.files} items, peer dead: received {received:.1f} ms, local {local:.1f} ms, "
          f"ratio {received / local:.2f} (median of {given.rounds}, alternating)")


def repeat(given, here, there, share):
    series = os.path.join(here.folder, "series")
    subprocess.run([os.path.join(given.bin, "stitchbox"), "simulate", "--case", "S", "--seed", "7", "-o", series],
                   check=True, stdout=subprocess.DEVNULL)
    here.call("MKCOL", files("ada", "mirror"), "ada")
    for name in sorted(os.listdir(series)):
        if os.path.isfile(os.path.join(series, name)):
            with open(os.path.join(series, name), "rb") as file:
                here.call("PUT", files("ada", f"mirror/{name}"), "ada", body=file.read())
    at = lambda name: files("ada", f"mirror/Stitched/{name}")
    found = lambda path: here.call("PROPFIND", path, "ada", headers={"Depth": "0"})[0] == 207
    until(lambda: found(at("ro-crate-metadata.json.jws")), 120)
    share("/mirror")
    until(lambda: entries(there, "eve", "Shares/mirror/Stitched") > 5, 60)
    begun = time.monotonic()
    status, text = there.call("POST", "/api/v1/reruns", "eve", body={"path": "Shares/mirror"})
    assert status in (200, 201, 202), (status, text)
    rerun = json.loads(text)["id"]
    state = lambda: json.loads(there.call("GET", f"/api/v1/reruns/{rerun}", "eve")[1])
    ended = until(lambda: (lambda now: now if now["state"] in ("done", "refused", "failed") else None)(state()), 120)
    after_run = time.monotonic()
    assert ended["state"] == "done", ended
    shown = lambda: here.call("PROPFIND", files("ada", "mirror/Stitched"), "ada", headers={"Depth": "1"})[1]
    until(lambda: b"Reproduced" in shown(), 60)
    now = time.monotonic()
    print(f"re-run of case S: {ended['verdict']}, button to its end {after_run - begun:.2f} s, "
          f"to the attestation at the owner {now - begun:.2f} s ({now - after_run:.2f} s after the end)")


if __name__ == "__main__":
    main()
