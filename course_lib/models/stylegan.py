"""StyleGAN: o código vira estilo, e o estilo entra na imagem escala por escala. Construída no capítulo 05_stylegan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks
from course_lib.contracts import Batch, Terms
from course_lib.models.gan import discriminator_loss, nonsaturating_loss
from course_lib.models.layers import IMAGE_SHAPE, fast_tanh, frozen, images_of, in_pieces, standard_normal
from course_lib.models.style_layers import (
    AdaINLayer,
    DemodulatedLayer,
    EqualizedConv2d,
    EqualizedLinear,
    leaky_relu,
    minibatch_std,
    pixel_norm,
)

RESOLUTIONS = (4, 8, 16, 32)
MARGIN = (RESOLUTIONS[-1] - IMAGE_SHAPE[-1]) // 2

# Imagens de que se sorteia o ruído de uma vez: o de 10.000 ocuparia mais de 100 MB.
DRAWN_AT_ONCE = 500


def _one_per_resolution(channels: Sequence[int]) -> list[int]:
    channels = checks.integers(channels, "channels", length=len(RESOLUTIONS))
    return list(channels)


# --- o gerador --------------------------------------------------------------------------------------------------------


class MappingNetwork(nn.Module):
    """Leva z, que é normal porque assim se sorteia, a w, que pode ter a forma de que os dados precisam.

    Args:
        z_dim: dimensões de z.
        w_dim: dimensões de w.
        n_layers: camadas densas.

    Raises:
        ValueError: ``n_layers`` menor que 1.

    Referência:
        Karras, Laine e Aila (2019), seção 2; o centésimo da taxa de aprendizado é do apêndice C.
    """

    def __init__(self, z_dim: int = 64, w_dim: int = 64, n_layers: int = 4) -> None:
        super().__init__()
        n_layers = checks.integer(n_layers, "n_layers")
        self.z_dim = z_dim
        widths = [z_dim] + [w_dim] * n_layers
        self.layers = nn.ModuleList(
            EqualizedLinear(n_in, n_out, lr_multiplier=0.01) for n_in, n_out in pairwise(widths)
        )

    def forward(self, z: Tensor) -> Tensor:
        """w (B, w_dim) de z (B, z_dim).

        Raises:
            TypeError, ValueError: ``z`` tem outro tipo ou outra forma.
        """
        checks.codes(z, self.z_dim, self.layers)
        h = pixel_norm(z)
        for layer in self.layers:
            h = leaky_relu(layer(h))
        return h


class SynthesisNetwork(nn.Module):
    """De uma constante aprendida 4×4 à imagem, com duas camadas por resolução: 4, 8, 16 e 32, aparada a 28.

    Args:
        w_dim: largura do estilo.
        channels: canais em 4, 8, 16 e 32.
        demodulate: se o estilo entra como na StyleGAN2 (:class:`~course_lib.models.style_layers.DemodulatedLayer`) ou
            como na StyleGAN (:class:`~course_lib.models.style_layers.AdaINLayer`).

    Raises:
        ValueError: ``channels`` não são quatro inteiros positivos.

    Referência:
        Karras, Laine e Aila (2019), figura 1b.
    """

    def __init__(self, w_dim: int, channels: Sequence[int], *, demodulate: bool = False) -> None:
        super().__init__()
        channels = _one_per_resolution(channels)
        self.w_dim = w_dim
        self.constant = nn.Parameter(torch.randn(1, channels[0], RESOLUTIONS[0], RESOLUTIONS[0]))
        kind: type[AdaINLayer] | type[DemodulatedLayer] = DemodulatedLayer if demodulate else AdaINLayer
        self.layers = nn.ModuleList()
        n_in = channels[0]
        for n_out, size in zip(channels, RESOLUTIONS, strict=True):
            grows = size > RESOLUTIONS[0]
            self.layers.append(kind(n_in, n_out, w_dim, upsample=grows, convolve=grows))
            self.layers.append(kind(n_out, n_out, w_dim))
            n_in = n_out
        self.to_image = EqualizedConv2d(n_in, 1, 1)

    @property
    def n_styles(self) -> int:
        """Quantos estilos a rede recebe: um por camada, dois por resolução."""
        return len(self.layers)

    def draw_noise(self, n: int) -> list[Tensor]:
        """Ruído para ``n`` imagens: um mapa (n, 1, H, W) por camada."""
        sizes = [resolution for resolution in RESOLUTIONS for _ in range(2)]
        return [torch.randn(n, 1, size, size, device=self.constant.device, dtype=self.constant.dtype) for size in sizes]

    def forward(self, w: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Imagens (B, 1, 28, 28) em (-1, 1).

        Args:
            w: um estilo para todas as camadas (B, w_dim), ou um para cada (B, n_styles, w_dim).
            noise: um mapa (B ou 1, 1, H, W) por camada; ``None`` sorteia um para cada imagem.

        Raises:
            ValueError: a forma de ``w`` é outra, ou falta ou sobra um mapa de ruído.
        """
        if w.ndim == 2:
            w = w.unsqueeze(1).expand(-1, self.n_styles, -1)
        checks.shape(w, "w", "B", self.n_styles, self.w_dim)
        noise = noise if noise is not None else self.draw_noise(len(w))
        checks.count(noise, "noise", self.n_styles, "mapas, um por camada")
        h = self.constant.expand(len(w), -1, -1, -1)
        for layer, style, layer_noise in zip(self.layers, w.unbind(1), noise, strict=True):
            h = layer(h, style, layer_noise)
        return fast_tanh(self.to_image(h))[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]


class StyleGenerator(nn.Module):
    """O gerador inteiro: z → w → imagem, com truncamento e mistura de estilos.

    Args:
        z_dim: dimensões de z.
        w_dim: dimensões de w.
        channels: canais em 4, 8, 16 e 32.
        demodulate: se o estilo entra como na StyleGAN2 (:class:`~course_lib.models.style_layers.DemodulatedLayer`) ou
            como na StyleGAN (:class:`~course_lib.models.style_layers.AdaINLayer`).

    Raises:
        ValueError: alguma largura não serve.
    """

    w_mean: Tensor  # a média de w, para onde o truncamento puxa

    def __init__(
        self,
        z_dim: int = 64,
        w_dim: int = 64,
        channels: Sequence[int] = (64, 64, 32, 16),
        *,
        demodulate: bool = False,
    ) -> None:
        super().__init__()
        self.mapping = MappingNetwork(z_dim, w_dim)
        self.synthesis = SynthesisNetwork(w_dim, channels, demodulate=demodulate)
        self.register_buffer("w_mean", torch.zeros(w_dim))

    @property
    def latent_dim(self) -> int:
        """Dimensões de z."""
        return self.mapping.z_dim

    @property
    def n_styles(self) -> int:
        """Quantos estilos a síntese recebe."""
        return self.synthesis.n_styles

    def forward(self, z: Tensor, *, psi: float = 1.0, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Imagens (B, 1, 28, 28) em (-1, 1) de z (B, z_dim).

        Raises:
            TypeError, ValueError: ``z`` não serve, ou ``psi`` está fora de [0, 1].
        """
        return self.synthesis(self.truncate(self.mapping(z), psi), noise)

    def truncate(self, w: Tensor, psi: float) -> Tensor:
        r"""Puxa os estilos para a média: :math:`\bar w + \psi\,(w - \bar w)`, da forma de w (…, w_dim).

        Args:
            w: estilos.
            psi: 1 não muda nada; 0 dá sempre a imagem média. Entre os dois, imagens mais fiéis e menos variadas.

        Raises:
            ValueError: ``psi`` fora de [0, 1].

        Referência:
            Karras, Laine e Aila (2019), apêndice B.
        """
        checks.number(psi, "psi", "[0, 1]")
        return w if psi == 1 else torch.lerp(self.w_mean, w, psi)

    def mix(self, w_coarse: Tensor, w_fine: Tensor, crossover: int) -> Tensor:
        """Estilos (B, n_styles, w_dim): os de ``w_coarse`` até a camada ``crossover``, sem contá-la, e daí ``w_fine``.

        Args:
            w_coarse: (B, w_dim).
            w_fine: (B, w_dim).
            crossover: de 0 (tudo de ``w_fine``) a ``n_styles`` (tudo de ``w_coarse``).

        Raises:
            ValueError: ``crossover`` fora da faixa, ou as formas diferem.

        Referência:
            Karras, Laine e Aila (2019), seção 3.1.
        """
        crossover = checks.integer(crossover, "crossover", low=0, high=self.n_styles)
        checks.same_shape("w_coarse e w_fine", w_coarse, w_fine)
        first = (torch.arange(self.n_styles, device=w_coarse.device) < crossover)[:, None]
        return torch.where(first, w_coarse.unsqueeze(1), w_fine.unsqueeze(1))

    @torch.no_grad()
    def measure_w_mean(self, n: int = 10_000) -> None:
        """Mede a média de w em ``n`` sorteios e a guarda em ``w_mean``: faça-o quando os pesos mudarem."""
        self.w_mean.copy_(self.mapping(self._draw(n)).mean(0))

    @torch.no_grad()
    def sample(self, n: int, *, psi: float = 1.0) -> Tensor:
        """``n`` imagens (n, 1, 28, 28) de z sorteado de N(0, I).

        Raises:
            ValueError: ``n`` menor que 1, ou ``psi`` fora de [0, 1].
        """
        images = []
        for z in self._draw(n).split(DRAWN_AT_ONCE):
            maps = self.synthesis.draw_noise(len(z))
            images.append(in_pieces(lambda z, *noise: self(z, psi=psi, noise=noise), z, *maps))
        return torch.cat(images)

    def _draw(self, n: int) -> Tensor:
        return standard_normal(n, self.latent_dim, like=self)


# --- o discriminador --------------------------------------------------------------------------------------------------


class StyleDiscriminator(nn.Module):
    """De 32×32 a um logit, com uma convolução antes e outra depois de cada redução.

    Args:
        channels: canais em 4, 8, 16 e 32, como os do gerador.

    Raises:
        ValueError: ``channels`` não são quatro inteiros positivos.

    Referência:
        Karras et al. (2018), tabela 2.
    """

    def __init__(self, channels: Sequence[int] = (64, 64, 32, 16)) -> None:
        super().__init__()
        wide = _one_per_resolution(channels)[::-1]  # 32, 16, 8, 4
        self.from_image = EqualizedConv2d(1, wide[0], 1)
        self.convs = nn.ModuleList()
        for n_in, n_out in pairwise(wide):
            self.convs.append(nn.ModuleList([EqualizedConv2d(n_in, n_in), EqualizedConv2d(n_in, n_out)]))
        self.last = EqualizedConv2d(wide[-1] + 1, wide[-1])
        self.hidden = EqualizedLinear(wide[-1] * RESOLUTIONS[0] ** 2, wide[-1])
        self.logit = EqualizedLinear(wide[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B,) de x (B, 1, 28, 28) ser real.

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens.
        """
        checks.images(x, layer=self.from_image)
        h = F.pad(x, (MARGIN,) * 4, value=-1.0)
        h = leaky_relu(self.from_image(h))
        for pair in self.convs:
            before, after = pair.children()
            h = leaky_relu(before(h))
            h = leaky_relu(after(F.avg_pool2d(h, 2)))
        h = leaky_relu(self.last(minibatch_std(h)))
        h = leaky_relu(self.hidden(h.flatten(1)))
        return self.logit(h).squeeze(1)


# --- as perdas e o passo ----------------------------------------------------------------------------------------------


def r1_penalty(disc: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    r"""Quadrado da norma do gradiente do logit em imagens reais, média no lote.

    .. math:: R_1 = E_x\left[\lVert \nabla_x D(x) \rVert^2\right]

    Sobre os dados, um discriminador em equilíbrio é plano: a penalidade o segura ali, e o jogo converge.

    Args:
        disc: leva (B, 1, 28, 28) em logits (B,).
        x: imagens reais (B, 1, 28, 28).

    Returns:
        Escalar ≥ 0, derivável nos pesos de ``disc``.

    Referência:
        Mescheder, Geiger e Nowozin (2018), *Which training methods for GANs do actually converge?*, equação 9.
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(disc(x).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


class StyleGANStep:
    """Um passo: o discriminador anda uma vez, depois o gerador; perda logística não saturante com R1.

    Args:
        gen: gerador.
        disc: discriminador.
        gen_optimizer: otimizador dos parâmetros de ``gen``.
        disc_optimizer: otimizador dos parâmetros de ``disc``.
        r1_weight: peso γ da penalidade; a perda do discriminador leva γ/2 · R1.
        r1_every: R1 custa uma volta a mais pela rede, então entra num passo a cada tantos, sorteado, com peso tantas
            vezes maior: a média é a mesma.
        mixing: probabilidade de um lote usar dois estilos, trocados numa camada sorteada.

    Raises:
        ValueError: ``r1_weight`` negativo, ``r1_every`` menor que 1, ou ``mixing`` fora de [0, 1].

    Referência:
        Karras, Laine e Aila (2019), seção 3.1 e apêndice C; a R1 espaçada é de Karras et al. (2020), *Analyzing and
        improving the image quality of StyleGAN*, seção 3.1.
    """

    def __init__(
        self,
        gen: StyleGenerator,
        disc: StyleDiscriminator,
        gen_optimizer: torch.optim.Optimizer,
        disc_optimizer: torch.optim.Optimizer,
        *,
        r1_weight: float = 1.0,
        r1_every: int = 8,
        mixing: float = 0.9,
    ) -> None:
        checks.number(r1_weight, "r1_weight", "[0, inf)")
        r1_every = checks.integer(r1_every, "r1_every")
        checks.number(mixing, "mixing", "[0, 1]")
        self.gen = gen
        self.disc = disc
        self.gen_optimizer = gen_optimizer
        self.disc_optimizer = disc_optimizer
        self.r1_weight = r1_weight
        self.r1_every = r1_every
        self.mixing = mixing

    def __call__(self, batch: Batch) -> Terms:
        """Anda um passo com ``batch.x`` (B, 1, 28, 28) e devolve as perdas e a penalidade.

        ``r1`` é zero nos passos em que ela não entra, e já vem multiplicada por ``r1_every`` nos outros: a sua média na
        época é a penalidade média.

        Raises:
            TypeError, ValueError: ``batch.x`` não é um lote de imagens.
        """
        x = images_of(batch)
        fake = self._generate(x)

        # Discriminador: uma passagem para as reais e outra para as falsas, porque ele compara cada imagem com as do
        # seu grupo, e um grupo de reais e falsas lhe contaria quais são quais.
        disc_loss = discriminator_loss(self.disc(x), self.disc(fake.detach()))
        r1 = disc_loss.new_zeros(())
        if torch.rand(()) * self.r1_every < 1:
            r1 = self.r1_every * r1_penalty(self.disc, x)
        self.disc_optimizer.zero_grad()
        (disc_loss + 0.5 * self.r1_weight * r1).backward()
        self.disc_optimizer.step()

        # Gerador: o gradiente atravessa o discriminador, mas os pesos deste ficam de fora da conta.
        with frozen(self.disc):
            gen_loss = nonsaturating_loss(self.disc(fake))
        self.gen_optimizer.zero_grad()
        gen_loss.backward()
        self.gen_optimizer.step()
        return {"disc_loss": disc_loss.detach(), "gen_loss": gen_loss.detach(), "r1": r1.detach()}

    def _generate(self, real: Tensor) -> Tensor:
        """Imagens falsas, tantas quantas ``real`` (B, 1, 28, 28), de um estilo ou de uma mistura de dois."""
        w = self.gen.mapping(self._draw_codes(real))
        if torch.rand(()) < self.mixing:
            # Com estilos vizinhos vindos de códigos diferentes, nenhuma camada pode contar com o que a outra recebeu.
            other = self.gen.mapping(self._draw_codes(real))
            crossover = int(torch.randint(1, self.gen.n_styles, ()))
            w = self.gen.mix(w, other, crossover)
        return self.gen.synthesis(w)

    def _draw_codes(self, real: Tensor) -> Tensor:
        return torch.randn(len(real), self.gen.latent_dim, device=real.device, dtype=real.dtype)
