"""Scoring by two workers of a Dask cluster against one: DERM_KIT_DATA=FOLDER python -m tests.benchmarks.scale_out.

Each worker is a process with one thread. The two clusters take turns over the same real pictures, from the files to the
finished run, models loaded before; the ratio is the median over the rounds. On a machine of two cores that is in use by
others the ratio says as much of them; processor time says less. What scheduler and client cost is measured on cases
whose pictures are missing: everything is done but the scoring.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import psutil

from derm_kit import Classifier, Cohort, score
from derm_kit.cases.cohort import complete, reject_table
from derm_kit.cases.images import decode
from derm_kit.cases.quality import assess
from derm_kit.model.cluster import ClusterAddress, connected
from derm_kit.model.cluster_scoring import ClusterScorer
from tests.benchmarks.real_pictures import real_pictures
from tests.dask_cluster import DaskCluster, dask_cluster
from tests.peak import peak_mb

SAMPLE = 48
"""Pictures whose stages are timed."""


def run(cohort: Cohort, scorer: ClusterScorer) -> float:
    """Seconds that a run takes."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        score(cohort, scorer, Path(folder) / "run", progress=False)
        return time.perf_counter() - began


def without_pictures(n: int) -> Cohort:
    """A cohort whose pictures are all missing."""
    names = pd.Series([f"ISIC_{i:07d}" for i in range(n)])
    cases = complete(pd.DataFrame({"case_id": names, "image": names + ".jpg"}))
    return Cohort("missing", cases, reject_table(), (), Path("nowhere").absolute())


def cpu_s(processes: list[subprocess.Popen[bytes]]) -> float:
    """Processor seconds that processes have used."""
    times = [psutil.Process(process.pid).cpu_times() for process in processes]
    return sum(t.user + t.system for t in times)


def stages(cohort: Cohort) -> None:
    """Print the processor time (ms) that each stage of a picture takes, as it lies here and at 3,000 x 2,000 pixels."""
    classifier = Classifier(device="cpu")
    here = [decode(cohort.root / image, case=image).rgb for image in cohort.cases["image"][:SAMPLE]]
    for words, size in (("as it lies here", None), ("enlarged to 3,000 x 2,000 px", (3_000, 2_000))):
        files = [coded(rgb if size is None else cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC)) for rgb in here]
        began = time.process_time()
        pictures = [decode(file, case="one").rgb for file in files]
        decoded = time.process_time()
        for rgb in pictures:
            assess(rgb)
        assessed = time.process_time()
        squares = np.stack([classifier.square(rgb) for rgb in pictures])
        for i in range(0, len(squares), 8):
            classifier.infer(squares[i : i + 8])
        ended = time.process_time()
        kilobytes = statistics.mean(map(len, files)) / 1000
        each = [1000 * (b - a) / len(files) for a, b in ((began, decoded), (decoded, assessed), (assessed, ended))]
        print(
            f"a picture {words} ({kilobytes:,.0f} kB as JPEG): decoding {each[0]:.1f} ms, "
            f"quality {each[1]:.1f} ms, network {each[2]:.1f} ms"
        )


def coded(rgb: npt.NDArray[np.uint8]) -> bytes:
    """A JPEG of quality 90."""
    return bytes(cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


def main() -> None:
    """Print rates, the ratio, and what a picture costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--empty", type=int, default=20_000)
    args = parser.parse_args()
    cohort = real_pictures(args.cases)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scorers: dict[int, tuple[DaskCluster, ClusterScorer]] = {}
        for workers in seconds:
            cluster = stack.enter_context(dask_cluster(folder / str(workers), workers))
            client = stack.enter_context(connected(ClusterAddress(cluster.address)))
            client.wait_for_workers(workers, timeout=120)
            scorers[workers] = cluster, ClusterScorer.of(client, device="cpu")
            run(cohort.select(np.arange(len(cohort)) < 64 * workers), scorers[workers][1])
        cluster, two = scorers[2]
        workers_used = 0.0
        for _ in range(args.rounds):
            seconds[1].append(run(cohort, scorers[1][1]))
            before = cpu_s(cluster.processes[1:])
            seconds[2].append(run(cohort, two))
            workers_used += cpu_s(cluster.processes[1:]) - before
        memory = max(two.client.run(peak_mb).values())
        nothing = without_pictures(args.empty)
        before, own = cpu_s([cluster.scheduler]), time.process_time()
        run(nothing, two)
        scheduler, client = cpu_s([cluster.scheduler]) - before, time.process_time() - own
    load = os.getloadavg()[0]
    print(f"{len(cohort)} cases, {args.rounds} rounds, {len(os.sched_getaffinity(0))} cores, load {load:.1f}")
    for workers, times in seconds.items():
        print(f"{workers} worker(s): {len(cohort) / statistics.median(times):7.1f} images/s")
    ratios = [one / both for one, both in zip(seconds[1], seconds[2], strict=True)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"two workers / one: {statistics.median(ratios):.2f} ({spread}), wanted at least 1.8")
    print(f"processor time of the workers: {1000 * workers_used / len(cohort) / args.rounds:.1f} ms a picture")
    print(
        f"processor time beside them: {1000 * scheduler / args.empty:.3f} ms a picture in the scheduler, "
        f"{1000 * client / args.empty:.3f} ms in the client ({args.empty:,} cases)"
    )
    print(f"peak memory of a worker: {memory:.0f} MB")
    stages(cohort)


if __name__ == "__main__":
    main()
