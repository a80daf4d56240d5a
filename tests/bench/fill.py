#!/usr/bin/env python3
"""Puts many files into a user's space at once, by SQL, while no server runs: a million uploads would take minutes.

  fill.py DATA_FOLDER USER FOLDER FILES [PER_FOLDER]

FOLDER is made at the top of the user's space. With PER_FOLDER the files lie in folders of that many below it, else all in
FOLDER itself. All are 4,096 bytes and share one blob in the metadata store. What the journal, the sizes and the cursors
would say after a copy of such a tree, they say afterwards (`stitchboxd verify` agrees). Only the embedded database.
"""
import hashlib
import sqlite3
import sys
import time

BODY = bytes(range(256)) * 16
# Ids count milliseconds << 22 | process << 12 | sequence; these belong to no process and to the year 2020.
NOBODY = 1023 << 12


def ids(start):
    milliseconds = start
    while True:
        for sequence in range(1 << 12):
            yield milliseconds << 22 | NOBODY | sequence
        milliseconds += 1


def main(data, user, folder, files, per_folder=None):
    db = sqlite3.connect(f"{data}/metadata.sqlite", isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -200000"):
        db.execute(f"PRAGMA {pragma}")
    db.execute("BEGIN IMMEDIATE")
    space, root = db.execute("SELECT id, root_item_id FROM spaces WHERE kind = 'personal' AND name = ?", (user,)).fetchone()
    taken = db.execute("SELECT COALESCE(MAX(id), 0) FROM items WHERE id < ?", (1 << 22 << 32,)).fetchone()[0]
    new, now = ids((taken >> 22) + 1), time.time_ns()
    head = db.execute("UPDATE journal SET head = head + 1 WHERE id = 1 RETURNING head").fetchone()[0]
    sha256, size = hashlib.sha256(BODY).hexdigest(), len(BODY)
    blob, top = next(new), next(new)
    db.execute("INSERT INTO blobs (id, size, sha256, created_at) VALUES (?, ?, ?, ?)", (blob, size, sha256, now))
    db.execute("INSERT INTO blob_bodies (blob_id, body) VALUES (?, ?)", (blob, BODY))
    item_sql = (
        "INSERT INTO items (id, space_id, parent_id, name, kind, version_id, size, mtime_ns, last_change, run_id, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)"
    )
    version_sql = (
        "INSERT INTO versions (id, item_id, blob_id, size, sha256, checksum, content, mtime_ns, created_at, author_id, run_id)"
        " VALUES (?, ?, ?, ?, ?, NULL, 'unknown', ?, ?, NULL, NULL)"
    )

    def make_folder(item, parent, name, holds):
        db.execute(item_sql, (item, space, parent, name, "folder", None, holds * size, now, head, now))

    def fill(parent, first, count):
        items, versions = [], []
        for number in range(first, first + count):
            item, version = next(new), next(new)
            items.append((item, space, parent, f"f{number:07d}.bin", "file", version, size, now, 0, now))
            versions.append((version, item, blob, size, sha256, now, now))
        db.executemany(item_sql, items)
        db.executemany(version_sql, versions)

    make_folder(top, root, folder, files)
    for first in range(0, files, per_folder or files):
        count = min(per_folder or files, files - first)
        parent = top
        if per_folder:
            parent = next(new)
            make_folder(parent, top, f"d{first // per_folder:05d}", count)
        for part in range(first, first + count, 10_000):
            fill(parent, part, min(10_000, first + count - part))
    db.execute(
        "INSERT INTO changes (cursor, space_id, item_id, folder_id, old_folder_id, kind, name, run_id, actor_id, at)"
        " VALUES (?, ?, ?, ?, NULL, 'created', ?, NULL, NULL, ?)",
        (head, space, top, root, folder, now),
    )
    added = files * size
    db.execute("UPDATE items SET size = size + ?, last_change = ?, mtime_ns = ? WHERE id = ?", (added, head, now, root))
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    main(*sys.argv[1:4], *map(int, sys.argv[4:]))
