"""The global-pooling CNN for texts of Kumar et al. 2018."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data.facts import Facts

POOL = 5  # positions a max-pooling sees; its stride is 1


def _max_pool(rows: Tensor) -> Tensor:
    """[T, C] -> [T - 4, C], the maxima of 5 neighbours."""
    # As one row of T pixels whose channels lie side by side, which keeps the layout of `rows` there and back.
    pixels = rows[None, None].permute(0, 3, 1, 2)  # [1, C, 1, T]
    return F.max_pool2d(pixels, (1, POOL), stride=1).permute(0, 2, 3, 1).flatten(0, 2)


def _convolve(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """conv1d along rows: [T, C_in] features, [C_out, C_in, width] weights, [C_out] biases -> [T - width + 1, C_out]."""
    if rows.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
        return _TapByTap.apply(rows, weight, bias)
    return F.conv1d(rows.t()[None], weight, bias)[0].t()


class _TapByTap(torch.autograd.Function):
    """The same as a matrix product for every position of the kernel: a third of conv1d's time on a CPU."""

    @staticmethod
    def forward(ctx, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weight)
        width = weight.shape[2]
        taps = weight.permute(2, 1, 0).contiguous()  # [width, C_in, C_out]
        count = len(rows) - width + 1
        out = torch.addmm(bias, rows[:count], taps[0])
        for k in range(1, width):
            out.addmm_(rows[k : k + count], taps[k])
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        rows, weight = ctx.saved_tensors
        width, count = weight.shape[2], len(grad)
        of_rows = None
        if ctx.needs_input_grad[0]:
            taps = weight.permute(2, 0, 1).contiguous()  # [width, C_out, C_in]
            of_rows = torch.zeros_like(rows)
            for k in range(width):
                of_rows[k : k + count].addmm_(grad, taps[k])
        of_weight = torch.stack([grad.t() @ rows[k : k + count] for k in range(width)], dim=2)
        return of_rows, of_weight, grad.sum(0)


class TextCNN(nn.Module):
    """Three blocks of convolution, ReLU and max-pooling over word vectors, a global maximum, an MLP.

    Source: NewsGroup/ng_model.py in branch `nlp` of github.com/torrvision/focal_calibration (Kumar et al. 2018's net),
    with PyTorch's default initialisation. ReLU comes after max-pooling here, which gives the same values.

    Texts come in one row (`forward`), so that no step is spent on padding. Only the windows that win a global maximum
    pass a gradient on, `channels` a text: the last convolution is differentiated there alone.

    Args:
        num_classes: classes K.
        vectors: [V + 1, D] word vectors, which are not trained; None: trained ones.
        vocab_size: V + 1, the number of ids with padding's; None takes it from `vectors`.
        embedding_dim: D of trained vectors.
        channels: of each convolution, and units of the hidden layer.
        width: positions a convolution sees.
        dropout: probability that a hidden unit is dropped.

    Raises:
        ValueError: neither `vectors` nor `vocab_size`, two that disagree, or a size below 1.
    """

    def __init__(
        self,
        num_classes: int,
        vectors: Tensor | None = None,
        vocab_size: int | None = None,
        embedding_dim: int = 100,
        channels: int = 128,
        width: int = 5,
        dropout: float = 0.3,
    ):
        super().__init__()
        for option, value in (("embedding_dim", embedding_dim), ("channels", channels), ("width", width)):
            if value < 1:
                raise ValueError(f"{option} must be >= 1, got {value}")
        if vectors is None:
            if vocab_size is None or vocab_size < 1:
                raise ValueError(f"a net without vectors needs vocab_size, the number of ids, >= 1; got {vocab_size}")
            self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=0)
        else:
            if vectors.ndim != 2 or vocab_size not in (None, len(vectors)):
                raise ValueError(f"vectors must be [{vocab_size or 'V + 1'}, D], got {list(vectors.shape)}")
            self.register_buffer("vectors", vectors.detach().clone().float())
            self.embedding = None
            embedding_dim = vectors.shape[1]
        self.width = width
        self.convs = nn.ModuleList(
            nn.Conv1d(in_channels, channels, width) for in_channels in (embedding_dim, channels, channels)
        )
        self.hidden = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)

    @property
    def receptive_field(self) -> int:
        """Tokens that decide one value before the global maximum; 21 for width 5."""
        return 1 + 3 * (self.width - 1) + 2 * (POOL - 1)

    def forward(self, texts: tuple[Tensor, Tensor] | Tensor) -> Tensor:
        """Logits of texts.

        Args:
            texts: (ids [T], lengths [B]), both int64: texts one after the other, each of at least `receptive_field`
                ids, as `data.TokenSplit` gives them. Or ids [B, L], of any L: padded in front (id 0).

        Returns:
            [B, K].
        """
        ids, lengths = self._packed(texts) if isinstance(texts, Tensor) else texts
        rows = F.embedding(ids, self.vectors) if self.embedding is None else self.embedding(ids)  # [T, D]
        for conv in self.convs[:-1]:
            rows = torch.relu(_max_pool(_convolve(rows, conv.weight, conv.bias)))
        pooled = torch.relu(self._last_convolution(rows, lengths))  # [B, C]
        return self.fc(self.dropout(torch.relu(self.hidden(pooled))))

    def _last_convolution(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """[T', C] features -> [B, C], the maximum of the last convolution over each text's own windows."""
        weight, bias = self.convs[-1].weight, self.convs[-1].bias
        own = lengths - (self.receptive_field - 1)  # [B] windows that do not reach into the next text
        ends = own.cumsum(0)
        # The i-th window of all texts lies i + the positions left out before its text.
        left_out = torch.arange(len(own), device=own.device) * (self.receptive_field - 1)
        total = len(rows) - self.width + 1 - (len(own) - 1) * (self.receptive_field - 1)
        windows = torch.repeat_interleave(left_out, own, output_size=total)
        windows = windows + torch.arange(total, device=own.device)
        with torch.no_grad():
            values = _convolve(rows, weight, bias).to(weight.dtype)
            # "max" over bags of rows. Not segment_reduce: it counts a maximum that is reached twice twice.
            best, _, _, winners = torch.embedding_bag(values, windows, ends - own, mode=2)  # [B, C] each
        if not torch.is_grad_enabled():
            return best
        for k in range(self.width):
            bias = bias + (F.embedding(winners + k, rows) * weight[:, :, k]).sum(-1)
        return bias

    def _packed(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        ids = F.pad(ids, (max(self.receptive_field - ids.shape[1], 0), 0))
        return ids.flatten(), torch.full((len(ids),), ids.shape[1], device=ids.device)


def cnn(
    facts: Facts,
    vectors: Tensor | None = None,
    vocab_size: int | None = None,
    embedding_dim: int = 100,
    channels: int = 128,
    width: int = 5,
    dropout: float = 0.3,
) -> nn.Module:
    """The paper's CNN; 0.25 M trained parameters over 100-d vectors. Options as `TextCNN`."""
    return TextCNN(facts.num_classes, vectors, vocab_size, embedding_dim, channels, width, dropout)
