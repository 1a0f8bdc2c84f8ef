"""Fetch and verify a dataset or a pretrained encoder, decode it into the cache, and print what is in it."""

import argparse
import sys

import torch

from data.files.terminal import print_what_can_be, warn_in_a_line
from data.ood import OOD, load_ood
from data.registry import DATASETS, data_root, load
from data.splits.split import Split
from data.text.encoders import ENCODERS, find_encoder, weights_sha256


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit status is 0, or 2 after one line on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m data",
        description="Fetch a dataset if it is not there, verify it, decode it into the cache below the data root and "
        "print its splits, of the dataset's own options. Run it where there is a network before jobs start: training "
        "never downloads.",
        epilog=f"Datasets: {', '.join(DATASETS)}. Pretrained encoders: {', '.join(ENCODERS)}. "
        f"Out-of-distribution sets: {', '.join(OOD)}. "
        "digits comes with scikit-learn; imagenet has to be put at "
        "<data root>/imagenet/{train,val}/<wnid>/ by hand, and GloVe's vectors for newsgroups at "
        "<data root>/glove.6B.100d.txt.",
    )
    parser.add_argument("name", metavar="NAME", help="the dataset, pretrained encoder or out-of-distribution set")
    parser.add_argument("--data-root", metavar="DIR", help="default: $ADAFOCAL_DATA, else ./datasets")
    parser.add_argument("--seed", type=int, default=0, help="of the split (default: 0; many recipes have split_seed 1)")
    parser.add_argument("--no-download", action="store_true", help="only look at what is there")
    args = parser.parse_args(argv)
    print_what_can_be()
    warn_in_a_line()
    try:
        if args.name in ENCODERS:
            folder = find_encoder(args.name, data_root(args.data_root), download=not args.no_download)
            print(f"{args.name} in {folder}, weights SHA-256 {weights_sha256(folder)}")
            return 0
        if args.name in OOD:
            loader = OOD[args.name]
            split = load_ood(args.name, loader.fits[0], args.data_root, args.seed, download=not args.no_download)
            print(f"{args.name}: {len(split):,} {split.summary} ({split.note}), fingerprint {split.fingerprint}")
            return 0
        if args.name not in DATASETS:
            raise ValueError(f"unknown name {args.name!r}; choose from {', '.join([*DATASETS, *ENCODERS, *OOD])}")
        splits = load(args.name, root=args.data_root, seed=args.seed, download=not args.no_download)
        for part, split in splits._asdict().items():
            print(describe(part, split))
        if splits.train.note:
            print(splits.train.note)
    except ValueError as error:
        print(f"python -m data: {error}", file=sys.stderr)
        return 2
    return 0


def describe(part: str, split: Split) -> str:
    """One line on a split: its size, what its samples look like, the range of its class counts, its fingerprint."""
    counts = torch.bincount(split.labels, minlength=split.num_classes)
    return (
        f"{part:5} {len(split):9,} {split.summary}, {split.num_classes} classes of {counts.min():,} to "
        f"{counts.max():,}, fingerprint {split.fingerprint}"
    )


if __name__ == "__main__":
    sys.exit(main())
