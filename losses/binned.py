"""What CalFocal and AdaFocal share: bins of the validation set that training samples are looked up in."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from calibration import BinStats, bin_index, bin_stats, equal_mass_edges, equal_width_edges, top_label
from calibration.checks import check_num_bins
from losses.base import Loss


class BinnedLoss(Loss, ABC):
    """A loss with per-bin state that `update` sets from the validation set.

    Attributes:
        edges: [M + 1] float32 buffer; equal-width until the first update, then the equal-mass bins of the validation
            set's confidence.
    """

    def __init__(self, num_bins: int, reduction: str):
        super().__init__(reduction)
        self.num_bins = check_num_bins(num_bins)
        self.register_buffer("edges", torch.tensor(equal_width_edges(num_bins), dtype=torch.float32))

    def bins_of(self, p: Tensor) -> Tensor:
        """[N] index of the bin of each probability; outside the validation set's range the end bins go on."""
        return bin_index(p, self.edges.to(p.dtype))

    @torch.no_grad()
    def update(self, val_logits, val_targets) -> BinStats:
        """Recompute the bins on the whole validation set, then move this loss's state (Algorithm 1, lines 14-23).

        Call it after an epoch, or every k steps, with logits of the model in eval mode.

        Args:
            val_logits: [N, K] floating point array or tensor, on any device.
            val_targets: [N] integers in [0, K).

        Returns:
            Statistics of the new bins: confidence C_val, accuracy A_val and their gap.

        Raises:
            ValueError: an empty validation set, NaN or infinite logits, labels outside [0, K), shapes that disagree;
                nothing has changed then.
        """
        confidence, correct = top_label(val_logits, val_targets)
        bins = bin_stats(confidence, correct, equal_mass_edges(confidence, self.num_bins))
        self.step(bins)
        self.edges.copy_(torch.from_numpy(bins.edges))
        return bins

    @abstractmethod
    def step(self, bins: BinStats) -> None:
        """Move the per-bin state by the statistics of the validation set; a bin of count 0 keeps what it has."""

    def _apply(self, fn, recurse=True):
        # .half() or .double() of a model that holds this loss moves the buffers but leaves them float32
        kept = {name: buffer for name, buffer in self._buffers.items() if buffer is not None}
        super()._apply(fn, recurse)
        for name, buffer in kept.items():
            self._buffers[name] = buffer.to(self._buffers[name].device)
        return self
