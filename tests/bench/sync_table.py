#!/usr/bin/env python3
"""What the issue "Sync" asks of the server's speed, beside its peers: `make bench-sync`.

sync_table.py --program STITCHBOXD [--rounds 5] [--servers a,b,...] [--only peers,more] [--million]

Two parts, printed as Markdown. `peers` is the harness of ../shared/bench over the named servers, round by round. `more` is
what that harness does not have, also round by round: uploads at concurrency 32, the listing with every `oc:` property,
moving large folders, the root of a large space, writers in one folder and in eight. Needs the lab of
../shared/bench/README.md at $BENCH_LAB. Quote ratios of one run, never times across runs.
"""
import argparse
import base64
import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
SHARED = pathlib.Path(os.environ.get("STITCHBOX_SHARED_BENCH", HERE.parents[2] / "shared" / "bench"))
LAB = pathlib.Path(os.environ.get("BENCH_LAB", pathlib.Path.home() / ".cache/stitchbox-bench"))
LOADGEN = os.environ.get("LOADGEN", f"{LAB}/target/release/loadgen")
LISTED = 10_000
PROPERTIES = (
    "<d:resourcetype/><d:getlastmodified/><d:getcontentlength/><d:getetag/><d:getcontenttype/><d:displayname/>"
    "<oc:id/><oc:fileid/><oc:permissions/><oc:size/><oc:checksums/><oc:owner-id/><oc:owner-display-name/>"
    "<oc:share-types/><oc:favorite/><oc:data-fingerprint/>"
)
FEW = "<d:resourcetype/><d:getlastmodified/><d:getcontentlength/><d:getetag/>"


def propfind(properties):
    names = 'xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"'
    return f'<?xml version="1.0"?><d:propfind {names}><d:prop>{properties}</d:prop></d:propfind>'


class Server:
    """A server of the list, started in a data folder of its own."""

    def __init__(self, entry, program, data):
        self.entry, self.name, self.data = entry, entry["name"], pathlib.Path(data) / entry["name"]
        self.words = {
            "{PORT}": str(entry["port"]), "{DATA}": str(self.data), "{LAB}": str(LAB), "{BENCH}": str(SHARED),
            "{OURS}": str(HERE), "{STITCHBOXD}": str(program),
        }
        self.path = "/" + entry["url"].split("/", 3)[3]
        login = base64.b64encode(f"{entry['user']}:{entry['password']}".encode()).decode()
        self.headers = {"Authorization": f"Basic {login}"}
        self.process = None

    def __enter__(self):
        self.data.mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o755)
        environment = dict(os.environ, PORT=self.words["{PORT}"], DATA=self.words["{DATA}"], LAB=str(LAB), BENCH=str(SHARED))
        command = self.entry["start"]
        for word, value in self.words.items():
            command = [part.replace(word, value) for part in command]
        log = open(self.data.with_suffix(".log"), "ab")
        self.process = subprocess.Popen(
            command, cwd=SHARED, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        for _ in range(600):
            try:
                if self.ask("PROPFIND", "", {"Depth": "0"}, propfind(FEW))[0] == 207:
                    return self
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not start; see {log.name}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.entry["port"])):
                    return
            time.sleep(0.1)

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.entry["port"], timeout=300)

    def ask(self, method, path, headers=None, body=None, connection=None):
        connection = connection or self.connection()
        connection.request(method, self.path + path, body, {**self.headers, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def timed(self, method, path, headers=None, body=None, good=(200, 201, 204, 207)):
        begun = time.perf_counter()
        status, text = self.ask(method, path, headers, body)
        if status not in good:
            raise RuntimeError(f"{self.name}: {method} {path} answered {status}: {text[:300]!r}")
        return (time.perf_counter() - begun) * 1e3, text

    def folder(self, path):
        self.ask("MKCOL", path + "/")

    def load(self, work, **options):
        command = [LOADGEN, work, "--url", self.entry["url"], "--limit", "300"]
        command += [word for name, value in self.headers.items() for word in ("--header", f"{name.lower()}: {value}")]
        command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
        answer = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=400).stdout)
        if answer.get("errors"):
            raise RuntimeError(f"{self.name}: {work}: {answer['first_error']}")
        return answer

    def memory(self):
        """PSS of the program and of what it started, MiB."""
        total = 0
        for process in pathlib.Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    if os.getsid(int(process.name)) == self.process.pid:
                        text = (process / "smaps_rollup").read_text()
                        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
                except OSError:
                    pass
        return total / 1024


def uploads(server, tag, results):
    for concurrency in (1, 8, 32):
        folder = f"more-{tag}-c{concurrency}"
        server.folder(folder)
        done = server.load("put", prefix=folder, n=2000, size=4096, conc=concurrency)
        results[f"PUT 4 KiB c{concurrency} /s"] = done["rate"]


def listing(server, tag, results):
    folder = "listed"
    if server.ask("PROPFIND", folder + "/", {"Depth": "0"}, propfind(FEW))[0] == 404:
        server.folder(folder)
        server.load("put", prefix=folder, n=LISTED, size=4096, conc=8)
    for name, properties in (("4 properties", FEW), ("every oc: property", PROPERTIES)):
        before, times = server.memory(), []
        for _ in range(5):
            milliseconds, text = server.timed("PROPFIND", folder + "/", {"Depth": "1"}, propfind(properties))
            if text.count(b"f0") < LISTED and text.count(b"<D:response") + text.count(b"<d:response") < LISTED:
                raise RuntimeError(f"{server.name}: the listing is not whole")
            times.append(milliseconds)
        results[f"list 10,000, {name}, ms"] = statistics.median(times)
        results[f"list 10,000, {name}, MiB more"] = server.memory() - before


def writers(server, tag, results):
    """Eight writers in one folder, and in eight folders that have only the root in common."""

    def write(folder, number):
        connection, body = server.connection(), os.urandom(4096)
        for count in range(150):
            status, text = server.ask("PUT", f"{folder}/w{number}-{count}", None, body, connection)
            if status not in (201, 204):
                raise RuntimeError(f"{server.name}: PUT answered {status}: {text[:200]!r}")

    for name, folders in (("one folder", 1), ("eight folders", 8)):
        for number in range(folders):
            server.folder(f"writers-{tag}-{folders}-{number}")
        begun = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: write(f"writers-{tag}-{folders}-{n % folders}", n), range(8)))
        results[f"8 writers, {name}, files/s"] = 1200 / (time.perf_counter() - begun)


def relocation(server, names, tag, results):
    for name in names:
        there = {"Destination": server.entry["url"] + f"{name}-moved/"}
        results[f"MOVE of {name}, ms"], _ = server.timed("MOVE", f"{name}/", there)
        server.timed("MOVE", f"{name}-moved/", {"Destination": server.entry["url"] + f"{name}/"})


def root(server, results, label):
    times = [server.timed("PROPFIND", "", {"Depth": "1"}, propfind(PROPERTIES))[0] for _ in range(9)]
    results[f"PROPFIND of the root, {label}, ms"] = statistics.median(times)


def filled(entry, program, data, folders):
    """A fresh space with large folders, put there by fill.py."""
    shutil.rmtree(pathlib.Path(data) / entry["name"], ignore_errors=True)
    with Server(entry, program, data) as server:
        installation = server.data / "installation"
    for name, files, per_folder in folders:
        command = [sys.executable, HERE / "fill.py", installation, "bench", name, str(files)]
        subprocess.run(command + ([str(per_folder)] if per_folder else []), check=True)


def more(entries, arguments):
    rounds, data = {}, LAB / "more"
    for number in range(arguments.rounds):
        for entry in entries:
            results = {}
            with Server(entry, arguments.program, data) as server:
                tag = f"{int(time.time())}-{number}"
                for measure in (uploads, listing, writers):
                    measure(server, tag, results)
            for name, value in results.items():
                rounds.setdefault(entry["name"], {}).setdefault(name, []).append(value)
    ours = next((entry for entry in entries if entry["name"] == "stitchbox"), None)
    if ours:
        sizes = [("a thousand", 1_000, None), ("100,000", 100_000, 1_000)]
        sizes += [("a million", 1_000_000, 1_000)] if arguments.million else []
        for label, files, per_folder in sizes:
            name, results = f"tree{files}", {}
            filled(ours, arguments.program, LAB / "filled", [(name, files, per_folder)])
            with Server(ours, arguments.program, LAB / "filled") as server:
                root(server, results, f"{label} files in the space")
                for _ in range(arguments.rounds):
                    relocation(server, [name], "", results)
                    for key, value in results.items():
                        rounds.setdefault("stitchbox", {}).setdefault(key, []).append(value)
    names = list(rounds)
    keys = list(dict.fromkeys(key for name in names for key in rounds[name]))
    print("| metric | " + " | ".join(names) + " |\n|---|" + "---:|" * len(names))
    for key in keys:
        row = [statistics.median(rounds[name][key]) if key in rounds[name] else None for name in names]
        print(f"| {key} | " + " | ".join("–" if value is None else f"{value:.4g}" for value in row) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--servers", default="apache,nginx,nginx-static,dav-server,dav-server+fsync,stitchbox")
    parser.add_argument("--only", default="peers,more")
    parser.add_argument("--work", default="W1,W2,W3,W4,W5,W6,W7,W8")
    parser.add_argument("--million", action="store_true", help="also with a million files in the space")
    arguments = parser.parse_args()
    arguments.program = pathlib.Path(arguments.program).resolve()
    known = tomllib.loads((SHARED / "servers.toml").read_text())["server"]
    ours = tomllib.loads((HERE / "servers.toml").read_text())["server"]
    entries = {entry["name"]: entry for entry in known + ours}
    wanted = [name for name in arguments.servers.split(",") if name in entries]
    if "peers" in arguments.only:
        text = (SHARED / "servers.toml").read_text().split("# Ours, once it runs")[0] + (HERE / "servers.toml").read_text()
        text = text.replace("{OURS}", str(HERE)).replace("{STITCHBOXD}", str(arguments.program))
        joined = LAB / "servers.toml"
        joined.write_text(text)
        command = [sys.executable, SHARED / "bench.py", "run", "--config", joined, "--servers", ",".join(wanted)]
        subprocess.run(command + ["--work", arguments.work, "--rounds", str(arguments.rounds)], check=True)
    if "more" in arguments.only:
        more([entries[name] for name in wanted if name != "nginx-static"], arguments)


if __name__ == "__main__":
    main()
