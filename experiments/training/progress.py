"""What a user sees of a run while it trains."""

import sys
import time

from tqdm import tqdm


class EpochProgress:
    """A bar over epochs on a terminal; elsewhere a line every few seconds, for the log of a job."""

    def __init__(self, epochs: int, seconds_between_lines: float = 10.0, quiet: bool = False):
        self.bar = tqdm(total=epochs, unit="epoch", disable=quiet or None)
        self.between, self.last, self.quiet = seconds_between_lines, time.monotonic(), quiet

    def __enter__(self) -> "EpochProgress":
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def say(self, text: str) -> None:
        """Print a line without tearing the bar."""
        if not self.quiet:
            tqdm.write(text, file=sys.stdout)

    def __call__(self, row: dict) -> None:
        """Show an epoch's row of `history.csv`."""
        text = f"val error {100 * row['val_error']:.2f} %, val ECE_EM {100 * row['val_ece_em']:.2f} %"
        if self.bar.disable:
            if not self.quiet and time.monotonic() - self.last >= self.between:
                print(f"epoch {row['epoch']}: train loss {row['train_loss']:.4f}, {text}", flush=True)
                self.last = time.monotonic()
            return
        self.bar.n = row["epoch"]
        self.bar.set_postfix_str(text)
