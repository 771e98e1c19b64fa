"""GAN clássica: um gerador e um discriminador em jogo. Capítulo 04_gan."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import runtime
from course_lib.models.layers import (
    IMAGE_DIM,
    IMAGE_SHAPE,
    mlp,
    require_count,
    require_dtype,
    require_latent,
    tanh,
)


class Generator(nn.Module):
    """Gerador denso 20-256-784, com saída ``tanh`` em (-1, 1), a faixa dos dados.

    Args:
        latent_dim: dimensões do ruído z.
        hidden_dim: largura da camada oculta.

    Raises:
        ValueError: alguma largura menor que 1.

    Referência:
        Goodfellow et al. (2014), *Generative adversarial nets*.
    """

    def __init__(self, latent_dim: int = 20, hidden_dim: int = 256) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.net = mlp((latent_dim, hidden_dim, IMAGE_DIM))

    def forward(self, z: Tensor) -> Tensor:
        """Imagens (B, 1, 28, 28) em (-1, 1) de z (B, latent_dim).

        Raises:
            TypeError, ValueError: ``z`` tem outro tipo ou outra forma.
        """
        require_latent(z, self.latent_dim)
        require_dtype(z, self.net[0], "z")
        return tanh(self.net(z)).view(-1, *IMAGE_SHAPE)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """``n`` imagens (n, 1, 28, 28) de z sorteado de N(0, I).

        Raises:
            ValueError: ``n`` menor que 1.
        """
        require_count(n)
        weights = next(self.parameters())
        return self(torch.randn(n, self.latent_dim, device=weights.device, dtype=weights.dtype))


class Discriminator(nn.Module):
    """Discriminador denso 784-256-1. Devolve logits: a sigmoide fica na função de perda, onde é estável.

    Args:
        hidden_dim: largura da camada oculta.

    Raises:
        ValueError: largura menor que 1.
    """

    def __init__(self, hidden_dim: int = 256) -> None:
        super().__init__()
        self.net = mlp((IMAGE_DIM, hidden_dim, 1), activation=lambda: nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B,) de x (B, 1, 28, 28) ser real.

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens.
        """
        runtime.require_images(x)
        require_dtype(x, self.net[0])
        return self.net(x.flatten(1)).squeeze(1)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    r"""Entropia cruzada do discriminador: :math:`-\log D(x) - \log(1 - D(G(z)))`, cada parte média no seu lote.

    Args:
        real_logits: (B,).
        fake_logits: (B',).

    Returns:
        Escalar ≥ 0; vale :math:`\log 4` quando D = 1/2 em tudo.

    Referência:
        Goodfellow et al. (2014), equação 1.
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def nonsaturating_loss(fake_logits: Tensor) -> Tensor:
    r"""Perda não saturante do gerador: :math:`-\log D(G(z))`, média sobre fake_logits (B,).

    Referência:
        Goodfellow et al. (2014), seção 3.
    """
    return F.softplus(-fake_logits).mean()


def minimax_loss(fake_logits: Tensor) -> Tensor:
    r"""Perda minimax do gerador: :math:`\log(1 - D(G(z)))`, média sobre fake_logits (B,).

    O gradiente some quando o discriminador vence (logits muito negativos): é a perda que satura.

    Referência:
        Goodfellow et al. (2014), equação 1.
    """
    return -F.softplus(fake_logits).mean()


class GANStep:
    """Um passo do jogo: o discriminador anda uma vez, depois o gerador anda uma vez.

    Cada rede só é mudada pelo seu próprio otimizador. As imagens falsas são geradas uma vez e servem aos dois: o
    discriminador as vê sem gradiente (``detach``), o gerador as julga com o discriminador já atualizado.

    Args:
        gen: gerador.
        disc: discriminador, que devolve logits (B,).
        gen_optimizer: otimizador dos parâmetros de ``gen``.
        disc_optimizer: otimizador dos parâmetros de ``disc``.
        gen_loss: perda do gerador como função dos logits das falsas.
    """

    def __init__(
        self,
        gen: Generator,
        disc: Discriminator,
        gen_optimizer: torch.optim.Optimizer,
        disc_optimizer: torch.optim.Optimizer,
        *,
        gen_loss: Callable[[Tensor], Tensor] = nonsaturating_loss,
    ) -> None:
        self.gen = gen
        self.disc = disc
        self.gen_optimizer = gen_optimizer
        self.disc_optimizer = disc_optimizer
        self.gen_loss = gen_loss

    def __call__(self, batch) -> dict[str, Tensor]:
        """Anda um passo com ``batch.x`` (B, 1, 28, 28) e devolve as duas perdas.

        Raises:
            TypeError, ValueError: ``batch.x`` não é um lote de imagens.
        """
        runtime.require_images(batch.x, "batch.x")
        n = len(batch.x)
        z = torch.randn(n, self.gen.latent_dim, device=batch.x.device, dtype=batch.x.dtype)
        fake = self.gen(z)

        # Discriminador: reais e falsas num só lote, porque um produto grande custa menos que dois pequenos.
        logits = self.disc(torch.cat([batch.x, fake.detach()]))
        disc_loss = discriminator_loss(logits[:n], logits[n:])
        self.disc_optimizer.zero_grad()
        disc_loss.backward()
        self.disc_optimizer.step()

        # Gerador: o gradiente atravessa o discriminador, mas os pesos deste ficam de fora da conta.
        self.disc.requires_grad_(False)
        gen_loss = self.gen_loss(self.disc(fake))
        self.disc.requires_grad_(True)
        self.gen_optimizer.zero_grad()
        gen_loss.backward()
        self.gen_optimizer.step()
        return {"disc_loss": disc_loss.detach(), "gen_loss": gen_loss.detach()}
