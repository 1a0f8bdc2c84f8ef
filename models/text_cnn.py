"""The global-pooling CNN for texts of Kumar et al. 2018."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .inputs import InputFacts

POOL = 5  # positions a max-pooling sees; its stride is 1


class TextCNN(nn.Module):
    """Three convolutions over word vectors with ReLU, max-pooling of stride 1 between them, a global maximum, an MLP.

    Source: the code of Kumar et al. 2018, with its initialisation (Glorot uniform, zero biases). A last max-pooling
    of stride 1 before the global maximum would change nothing and is left out. Nothing is padded by the net, so what
    it computes over a text's trailing padding is one constant vector: with at least `receptive_field` padding tokens
    after the longest text of a batch, or as many as max_tokens allows, logits do not depend on the padded length.

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
        for layer in (*self.convs, self.hidden, self.fc):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    @property
    def receptive_field(self) -> int:
        """Tokens that decide one value before the global maximum; 21 for width 5."""
        return 1 + 3 * (self.width - 1) + 2 * (POOL - 1)

    def forward(self, ids: Tensor) -> Tensor:
        """[B, L] int64 word ids, 0 for padding -> logits [B, K]."""
        if ids.shape[1] < self.receptive_field:
            ids = F.pad(ids, (0, self.receptive_field - ids.shape[1]))
        words = F.embedding(ids, self.vectors) if self.embedding is None else self.embedding(ids)
        # One row of L pixels: vectors stay side by side in memory (channels_last), and the two-dimensional operations
        # on that take two thirds of the time of conv1d and max_pool1d on a CPU.
        features = words.transpose(1, 2).unsqueeze(2)  # [B, D, 1, L]
        for conv in self.convs[:-1]:
            features = F.conv2d(features, conv.weight.unsqueeze(2), conv.bias)  # [B, C, 1, L']
            features = torch.relu(F.max_pool2d(features, (1, POOL), stride=1))  # the same as pooling after ReLU
        last = self.convs[-1]
        features = F.conv2d(features, last.weight.unsqueeze(2), last.bias)
        pooled = torch.relu(features.amax(dim=(2, 3)))  # [B, C]
        return self.fc(self.dropout(torch.relu(self.hidden(pooled))))


def cnn(
    facts: InputFacts,
    vectors: Tensor | None = None,
    vocab_size: int | None = None,
    embedding_dim: int = 100,
    channels: int = 128,
    width: int = 5,
    dropout: float = 0.3,
) -> nn.Module:
    """The paper's CNN; 0.25 M trained parameters over 100-d vectors. Options as `TextCNN`."""
    return TextCNN(facts.num_classes, vectors, vocab_size, embedding_dim, channels, width, dropout)
