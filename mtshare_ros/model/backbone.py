"""The transformer blocks; parameters are named as in timm's VisionTransformer."""

import torch
from torch import nn
from torch.nn import functional

from mtshare_ros.model.position import RotaryTable


class Attention(nn.Module):
    """Multi-head self-attention over all tokens of an image."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, tokens: torch.Tensor, rotary: RotaryTable | None) -> torch.Tensor:
        """Return (B, N, D) for (B, N, D)."""
        return self.attend(*self.project(tokens, rotary))

    def project(
        self, tokens: torch.Tensor, rotary: RotaryTable | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return queries, keys and values (B, heads, N, head_dim), positions turned in."""
        batch, count, _ = tokens.shape
        qkv = self.qkv(tokens).view(batch, count, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        if rotary is not None:
            query, key = rotary.rotate(query), rotary.rotate(key)
        return query, key, value

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        """Return (B, N, D): what every query makes of all keys and values."""
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, embed_dim)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, N, D) for (B, N, D)."""
        return self.fc2(functional.gelu(self.fc1(tokens)))


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(
        self, embed_dim: int, num_heads: int, mlp_ratio: float, norm_eps: float = 1e-6
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.attn = Attention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.mlp = Mlp(embed_dim, round(embed_dim * mlp_ratio))

    def forward(self, tokens: torch.Tensor, rotary: RotaryTable | None) -> torch.Tensor:
        """Return (B, N, D) for (B, N, D)."""
        tokens = tokens + self.attn(self.norm1(tokens), rotary)
        return tokens + self.mlp(self.norm2(tokens))
