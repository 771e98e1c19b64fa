"""GAN clássica: um gerador e um discriminador em jogo. Capítulo 04_gan."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from course_lib import checks
from course_lib.contracts import LabelledBatch, Terms
from course_lib.models.layers import (
    IMAGE_DIM,
    IMAGE_SHAPE,
    class_count,
    class_dim,
    draw_classes,
    fast_tanh,
    frozen,
    images_of,
    mlp,
    pixels,
    standard_normal,
    with_class,
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
        checks.codes(z, self.latent_dim, self.net)
        return fast_tanh(self.net(z)).view(-1, *IMAGE_SHAPE)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """``n`` imagens (n, 1, 28, 28) de z sorteado de N(0, I).

        Raises:
            ValueError: ``n`` menor que 1.
        """
        return self(standard_normal(n, self.latent_dim, like=self))


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
        return self.net(pixels(x, self.net)).squeeze(1)


class ConvGenerator(nn.Module):
    """Gerador convolucional (DCGAN): de 7×7 a 14×14 e a 28×28 por convoluções transpostas.

    Args:
        latent_dim: dimensões do ruído z.
        channels: canais em 7×7; em 14×14 são a metade.
        n_classes: se dado, o gerador é condicional: recebe também a classe y, que entra junto com z.

    Raises:
        ValueError: ``channels`` não é um número par e positivo.

    Referência:
        Radford, Metz e Chintala (2016), *Unsupervised representation learning with deep convolutional generative
        adversarial networks*, seção 3.
    """

    def __init__(self, latent_dim: int = 64, channels: int = 96, *, n_classes: int | None = None) -> None:
        super().__init__()
        channels = checks.integer(channels, "channels", low=2, multiple=2)
        self.latent_dim = latent_dim
        self.n_classes = n_classes
        self.stem = nn.Linear(latent_dim + class_dim(n_classes), channels * 7 * 7, bias=False)
        self.net = nn.Sequential(
            nn.Unflatten(1, (channels, 7, 7)),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels // 2),
            nn.ReLU(),
            nn.ConvTranspose2d(channels // 2, 1, 4, stride=2, padding=1),
        )

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Imagens (B, 1, 28, 28) em (-1, 1) de z (B, latent_dim) e, se o gerador é condicional, y (B,).

        Raises:
            TypeError, ValueError: ``z`` tem outro tipo ou outra forma; falta ou sobra ``y``, ou ele sai da faixa.
        """
        checks.codes(z, self.latent_dim, self.stem)
        return fast_tanh(self.net(self.stem(with_class(z, y, self.n_classes))))

    @torch.no_grad()
    def sample(self, n: int, *, y: Tensor | None = None) -> Tensor:
        """``n`` imagens (n, 1, 28, 28) de z sorteado de N(0, I); a classe, num gerador condicional, é y ou um sorteio.

        Raises:
            ValueError: ``n`` menor que 1, ou ``y`` não serve.
        """
        y = draw_classes(n, self.n_classes, like=self) if y is None else y
        return self(standard_normal(n, self.latent_dim, like=self), y)


class ConvDiscriminator(nn.Module):
    r"""Discriminador convolucional, de 28×28 a 14×14, 7×7 e 4×4. Devolve logits.

    Com ``n_classes``, o logit ganha a parcela :math:`\langle v_y, h(x) \rangle`: se a imagem parece da classe y.

    Args:
        channels: canais em 14×14; dobram a cada redução.
        spectral: se cada camada tem norma espectral 1, o que limita a inclinação da rede.
        n_classes: se dado, o discriminador é condicional.

    Raises:
        ValueError: ``channels`` menor que 1.

    Referência:
        Radford, Metz e Chintala (2016); Miyato et al. (2018), *Spectral normalization for generative adversarial
        networks*; a parcela da classe é de Miyato e Koyama (2018), *cGANs with projection discriminator*.
    """

    def __init__(self, channels: int = 32, *, spectral: bool = False, n_classes: int | None = None) -> None:
        super().__init__()
        channels = checks.integer(channels, "channels")
        self.n_classes = n_classes
        limit = spectral_norm if spectral else _as_is
        layers: list[nn.Module] = []
        widths = (1, channels, 2 * channels, 4 * channels)
        for n_in, n_out, size in zip(widths[:-1], widths[1:], (4, 4, 3), strict=True):
            layers += [limit(nn.Conv2d(n_in, n_out, size, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers, nn.Flatten())
        width = 4 * channels * 4 * 4
        self.logit = limit(nn.Linear(width, 1))
        self.label = limit(nn.Embedding(class_dim(n_classes), width)) if class_dim(n_classes) else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits (B,) de x (B, 1, 28, 28) ser real e, se o discriminador é condicional, da classe y (B,).

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens; falta ou sobra ``y``, ou ele sai da faixa.
        """
        checks.images(x, layer=self.logit)
        y = checks.classes(y, len(x), self.n_classes)
        h = self.features(x)
        logits: Tensor = self.logit(h).squeeze(1)
        return logits if self.label is None else logits + (self.label(y) * h).sum(1)


def _as_is(layer: nn.Module) -> nn.Module:
    return layer


# --- as perdas --------------------------------------------------------------------------------------------------------


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


def hinge_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    r"""Perda de dobradiça: :math:`\max(0, 1 - a_{real}) + \max(0, 1 + a_{falsa})`, cada parte média no seu lote.

    Quem já passou da margem não puxa mais.

    Referência:
        Lim e Ye (2017), *Geometric GAN*; Miyato et al. (2018), equação 16.
    """
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def wasserstein_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    r"""Perda do crítico: :math:`E[a_{falsa}] - E[a_{real}]`.

    Se o crítico tem inclinação de no máximo 1, o seu mínimo é menos a distância de Wasserstein-1.

    Referência:
        Arjovsky, Chintala e Bottou (2017), *Wasserstein GAN*, equação 2.
    """
    return fake_logits.mean() - real_logits.mean()


def linear_generator_loss(fake_logits: Tensor) -> Tensor:
    r"""Perda do gerador contra um crítico, ou contra a dobradiça: :math:`-E[a_{falsa}]`."""
    return -fake_logits.mean()


def gradient_penalty(disc: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    r"""Cobra do crítico inclinação 1 entre reais e falsas.

    .. math:: E\left[(\lVert \nabla_{\hat x} D(\hat x) \rVert - 1)^2\right], \quad \hat x = u\,x + (1 - u)\,G(z), \quad
        u \sim U(0, 1)

    Args:
        disc: leva (B, …) em logits (B,).
        real: (B, …).
        fake: da forma de ``real``.

    Returns:
        Escalar ≥ 0, derivável nos pesos de ``disc``.

    Referência:
        Gulrajani et al. (2017), *Improved training of Wasserstein GANs*, equação 3.
    """
    u = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    between = torch.lerp(fake.detach(), real, u).requires_grad_()
    (slope,) = torch.autograd.grad(disc(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


# --- o passo ----------------------------------------------------------------------------------------------------------


class GANStep:
    """Um passo do jogo: o discriminador anda uma vez, depois o gerador anda uma vez.

    Cada rede só é mudada pelo seu próprio otimizador. As imagens falsas são geradas uma vez e servem aos dois: o
    discriminador as vê sem gradiente (``detach``), o gerador as julga com o discriminador já atualizado.

    Se as redes são condicionais (têm ``n_classes``), as falsas recebem as classes das reais do lote.

    Args:
        gen: gerador.
        disc: discriminador, que devolve logits (B,).
        gen_optimizer: otimizador dos parâmetros de ``gen``.
        disc_optimizer: otimizador dos parâmetros de ``disc``.
        gen_loss: perda do gerador como função dos logits das falsas.
        disc_loss: perda do discriminador como função dos logits das reais e das falsas.
        penalty: ``penalty(disc, reais, falsas)``, somada à perda do discriminador, já com o seu peso.
    """

    def __init__(
        self,
        gen: Generator | ConvGenerator,
        disc: Discriminator | ConvDiscriminator,
        gen_optimizer: torch.optim.Optimizer,
        disc_optimizer: torch.optim.Optimizer,
        *,
        gen_loss: Callable[[Tensor], Tensor] = nonsaturating_loss,
        disc_loss: Callable[[Tensor, Tensor], Tensor] = discriminator_loss,
        penalty: Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        self.gen = gen
        self.disc = disc
        self.gen_optimizer = gen_optimizer
        self.disc_optimizer = disc_optimizer
        self.gen_loss = gen_loss
        self.disc_loss = disc_loss
        self.penalty = penalty

    def __call__(self, batch: LabelledBatch) -> Terms:
        """Anda um passo com ``batch.x`` (B, 1, 28, 28) e devolve as duas perdas (e a penalidade, se há).

        Raises:
            TypeError, ValueError: ``batch.x`` não é um lote de imagens.
        """
        x = images_of(batch)
        n = len(x)
        y = (batch.labels,) if class_count(self.gen) is not None else ()
        z = torch.randn(n, self.gen.latent_dim, device=x.device, dtype=x.dtype)
        fake = self.gen(z, *y)

        # Discriminador: reais e falsas num só lote, porque um produto grande custa menos que dois pequenos.
        logits = self.disc(torch.cat([x, fake.detach()]), *(label.repeat(2) for label in y))
        disc_loss = self.disc_loss(logits[:n], logits[n:])
        terms = {"disc_loss": disc_loss.detach()}
        if self.penalty is not None:
            penalty = self.penalty(lambda images: self.disc(images, *y), x, fake)
            terms["penalty"] = penalty.detach()
            disc_loss = disc_loss + penalty
        self.disc_optimizer.zero_grad()
        disc_loss.backward()
        self.disc_optimizer.step()

        # Gerador: o gradiente atravessa o discriminador, mas os pesos deste ficam de fora da conta.
        with frozen(self.disc):
            gen_loss = self.gen_loss(self.disc(fake, *y))
        self.gen_optimizer.zero_grad()
        gen_loss.backward()
        self.gen_optimizer.step()
        return {**terms, "gen_loss": gen_loss.detach()}
