"""The reference cohort of a released model: its scores on the `reference` split, without the pictures.

    python models/reference.py DATA --model models/derm11

Writes reference_scores.parquet (scores joined with cases) and reference_features.parquet into the model's folder;
models/evaluate.py makes the figures from them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from derm_kit import Classifier, ScoreRun, read, score
from derm_kit.model.run import write_joined

OF_THE_MACHINE = ("cohort_root", "platform")


def main() -> None:
    """Score the reference cases and write what ships."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="another folder than the model's, for a model that does not ship")
    args = parser.parse_args()
    out = args.out or args.model
    out.mkdir(parents=True, exist_ok=True)
    everyone = read(args.data)
    with tempfile.TemporaryDirectory() as folder:
        cohort = everyone.select(everyone.cases["split"] == "reference")
        run = score(cohort, Classifier(args.model, "cpu"), Path(folder) / "run")
    shipped = ScoreRun(run.scores, run.cases, meta={k: v for k, v in run.meta.items() if k not in OF_THE_MACHINE})
    write_joined(shipped, out / "reference_scores.parquet")
    if run.features is not None:
        run.features.to_parquet(out / "reference_features.parquet", index=False, compression="zstd")
    print(f"{len(run)} reference cases scored, {run.meta['n_rejected']} rejected.")


if __name__ == "__main__":
    main()
