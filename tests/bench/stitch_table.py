#!/usr/bin/env python3
"""The table of the stitching engine beside its oracle: error, profile error, time and memory, case by case.

usage: stitch_table.py --oracle FOLDER --stitch-once PROGRAM [--cases A,B,C,D,S,O,L] [--seeds 7,11,23,42] [--repeat 3]

The oracle's folder holds gen_synth.py, write_dat_set.py, ls_reference.py and score.py. Every series is made once, written as
.dat files, stitched by both in the same run, and both maps are scored by score.py. Needs numpy (and scipy for case D).
Times are the best of `repeat`; run it on a quiet machine and read ratios.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

# Peer's best mode, one thread, seed 7 (measured, facts section 4): error nm, profile nm, seconds, MiB.
PEER = {'B': (0.390, 0.262, 6.6, 1426), 'A': (0.274, 0.025, 5.9, 1424), 'C': (0.2866, 0.099, 28.6, 1610),
        'D': (0.406, 0.283, 7.4, 1420), 'L': (0.353, 0.205, 21.2, 3309), 'O': (1.997, None, 12.8, 1425)}
KIND = {'C': 'quad'}

ORACLE = r'''
import json, resource, sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
from ls_reference import Problem
d = np.load(sys.argv[2]); mode = sys.argv[4]
t0 = time.time()
p = Problem(d['sub'], d['mx'], d['my'], float(d['pix']))
st = p.solve_prior(verbose=False) if mode == 'prior' else p.solve(verbose=False)
dt = time.time() - t0
np.save(sys.argv[3], st); np.save(sys.argv[3] + '.count', p.cnt)
print(json.dumps(dict(seconds=dt, peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))
'''


def run(*command, threads=None):
    environment = dict(os.environ)
    if threads:
        for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
            environment[name] = str(threads)
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f'{command}: {done.stderr}')
    return done.stdout


def best(results):
    return min(results, key=lambda r: r['seconds'])


def profile(d, np):
    w = max(1, d.shape[1] // 40)
    dd = d[:, :d.shape[1] // w * w].reshape(d.shape[0], -1, w)
    with np.errstate(all='ignore'):
        low = np.nanmean(np.nanmean(dd, axis=2), axis=0)
    return float(np.sqrt(np.nanmean(low ** 2)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--oracle', required=True, type=pathlib.Path)
    parser.add_argument('--stitch-once', required=True, type=pathlib.Path)
    parser.add_argument('--cases', default='B,A,C,D,O,L')
    parser.add_argument('--seeds', default='7,11,23,42')
    parser.add_argument('--repeat', type=int, default=3)
    parser.add_argument('--robust', action='store_true', help='the robust loop on in every case, as the default recipe has it')
    a = parser.parse_args()
    import numpy as np
    sys.path.insert(0, str(a.oracle))
    import score
    print('case seed | error nm (oracle, ratio) | profile nm (oracle, ratio) | map-oracle/error | 2 thr s, 1 thr s '
          '(oracle s, ratio; peer s, ratio of 1 thr) | MiB (series held; oracle; peer)')
    for case in a.cases.split(','):
        for seed in a.seeds.split(','):
            line(case, int(seed), a, np, score)


def line(case, seed, a, np, score):
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        made, folder = tmp / 'series.npz', tmp / 'series'
        run(sys.executable, a.oracle / 'gen_synth.py', made, '--case', case, '--seed', seed)
        run(sys.executable, a.oracle / 'write_dat_set.py', made, folder)
        # Outliers are scored against the same seed without them, as the issue asks.
        compared = made
        if case == 'O':
            compared = tmp / 'clean.npz'
            run(sys.executable, a.oracle / 'gen_synth.py', compared, '--case', 'B', '--seed', seed)
        mode = 'prior' if case == 'A' else 'ref'
        oracle = best([json.loads(run(sys.executable, '-c', ORACLE, a.oracle, compared, tmp / 'oracle.npy', mode, threads=2))
                       for _ in range(a.repeat)])
        robust = ['--robust'] if case == 'O' or a.robust else []
        two = best([json.loads(run(a.stitch_once, folder, tmp / 'map', '--threads', 2, *robust)) for _ in range(a.repeat)])
        one = best([json.loads(run(a.stitch_once, folder, tmp / 'map', '--threads', 1, *robust)) for _ in range(a.repeat)])
        d = np.load(made)
        st = np.fromfile(tmp / 'map').reshape(two['rows'], two['columns'])
        theirs = np.load(tmp / 'oracle.npy')
        truth = d['truth']
        # the engine's grid begins at the smallest position, as the oracle's does; a wider one would be padding
        st = st[:theirs.shape[0], :theirs.shape[1]]
        kind = KIND.get(case, 'null1d')
        period = 250 if case == 'A' else None
        if case == 'O':
            count = np.load(str(tmp / 'oracle.npy') + '.count.npy')
            extra = dict(overlap=count, min_overlap=3)
        else:
            extra = {}
        mine = score.residual(st, truth, kind, period, **extra)
        oracles = score.residual(theirs, truth, kind, period, **extra)
        error, reference = score.rms(mine), score.rms(oracles)
        low, low_reference = profile(mine, np), profile(oracles, np)
        valid = np.isfinite(st).sum(), np.isfinite(theirs).sum()
        difference = score.rms(score.residual(st - np.where(np.isfinite(theirs), theirs, np.nan), np.zeros_like(theirs), kind, period))
        peer = PEER.get(case)
        against = f"; peer {peer[2]}, {peer[2] / one['seconds']:.0f}x" if peer else ''
        peer_mib = f'; {peer[3]}' if peer else ''
        print(f"{case} {seed:3d} | {error:.4f} ({reference:.4f}, {error / reference:.4f}) | {low:.4f} ({low_reference:.4f}, "
              f"{low / low_reference:.2f}) | {difference / error:.4f} valid {valid[0]}/{valid[1]} | {two['seconds']:.3f}, {one['seconds']:.3f} "
              f"({oracle['seconds']:.2f}, {oracle['seconds'] / two['seconds']:.1f}x{against}) | {two['peak_mib']:.0f} "
              f"({two['read_mib']:.0f}; {oracle['peak_mib']:.0f}{peer_mib}) it {two['iterations']}", flush=True)


if __name__ == '__main__':
    main()
