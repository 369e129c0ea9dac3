"""PyTorch's encoder for `classification.py`: `torch.nn.TransformerEncoder` on its fastest way."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from classification_encoders import LABELS, LEARNING_RATE, Batch, Shape
from torch import nn


class Network(nn.Module):
    """Ids `(B, T)` to logits `(B, C)`."""

    def __init__(self, vocabulary_size: int, shape: Shape) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary_size, shape.embed_dim)
        self.positions = nn.Embedding(shape.sequence_length, shape.embed_dim)
        block = nn.TransformerEncoderLayer(
            shape.embed_dim,
            shape.num_heads,
            shape.dense_dim,
            dropout=shape.dropout,
            activation="gelu",
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(block, shape.num_layers, enable_nested_tensor=True)
        for layer in self.encoder.layers:
            layer.self_attn.dropout = 0.0  # Ours has none there.
        self.pooled_dropout = nn.Dropout(0.5)
        self.logits = nn.Linear(2 * shape.embed_dim, len(LABELS))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        padding = ids == 0  # (B, T)
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        x = self.encoder(x, src_key_padding_mask=padding)  # (B, T, D)
        absent = padding[:, :, None]
        mean = x.masked_fill(absent, 0.0).sum(1) / (~padding).sum(1, keepdim=True)
        highest = x.masked_fill(absent, -1e9).amax(1)
        return self.logits(self.pooled_dropout(torch.cat([mean.to(x.dtype), highest], -1)))


class PyTorchEncoder:
    """The network with the weights of ours."""

    def __init__(self, network: Any, shape: Shape, precision: str) -> None:
        self.half = precision == "mixed_bfloat16"
        vocabulary_size = network.get_layer("embedding").input_dim
        self.trained = Network(vocabulary_size, shape)
        copy_weights(network, self.trained)
        self.network = Network(vocabulary_size, shape).eval()
        self.network.load_state_dict(self.trained.state_dict())
        if self.half:
            self.network.to(torch.bfloat16)

    def scores(self, ids: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self.network(torch.from_numpy(ids)).float().numpy()

    def train(self, batches: list[Batch]) -> list[float]:
        self.trained.train()
        optimizer = torch.optim.Adam(self.trained.parameters(), lr=LEARNING_RATE)
        seconds = []
        for ids, labels in batches:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
                logits = self.trained(torch.from_numpy(ids))
            target = torch.from_numpy(labels).long()
            nn.functional.cross_entropy(logits.float(), target).backward()
            optimizer.step()
            seconds.append(time.perf_counter())
        return seconds


def copy_weights(ours: Any, theirs: Network) -> None:
    """Our weights into PyTorch's modules, whose kernels are transposed."""

    def values(name: str) -> list[torch.Tensor]:
        weights = ours.get_layer(name).get_weights()
        return [torch.tensor(np.asarray(array, "float32").T.copy()) for array in weights]

    tokens, positions = values("embedding")
    state = {"tokens.weight": tokens.T, "positions.weight": positions.T}
    state["logits.weight"], state["logits.bias"] = values("logits")
    modules = (
        "self_attn.in_proj_",
        "self_attn.out_proj.",
        "norm1.",
        "linear1.",
        "linear2.",
        "norm2.",
    )
    # Weight and bias of each module in turn: the order of our encoder's arrays.
    names = [f"{module}{part}" for module in modules for part in ("weight", "bias")]
    for number in range(len(theirs.encoder.layers)):
        arrays = zip(names, values(f"encoder_{number}"), strict=True)
        state |= {f"encoder.layers.{number}.{name}": array for name, array in arrays}
    theirs.load_state_dict(state)
