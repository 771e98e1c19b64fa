"""StyleGAN: o código vira estilo, e o estilo entra na imagem escala por escala. Construída no capítulo 05_stylegan."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import runtime
from course_lib.models.gan import discriminator_loss, nonsaturating_loss
from course_lib.models.layers import IMAGE_SHAPE, require_count, require_dtype, require_latent, tanh

RESOLUTIONS = (4, 8, 16, 32)
MARGIN = (RESOLUTIONS[-1] - IMAGE_SHAPE[-1]) // 2
SLOPE = 0.2
# A leaky ReLU encolhe a variância de uma normal a (1 + 0,2²) / 2; este ganho a devolve a 1.
GAIN = math.sqrt(2 / (1 + SLOPE**2))
EPSILON = 1e-8


# --- as peças ---------------------------------------------------------------------------------------------------------


class EqualizedLinear(nn.Module):
    r"""Camada densa de taxa de aprendizado equalizada: guarda pesos N(0, 1) e os multiplica por :math:`1/\sqrt{n}`.

    O Adam anda a mesma distância em todo peso. Com a escala fora do peso, essa distância é a mesma fração do peso em
    qualquer camada, seja qual for a sua largura.

    Args:
        n_in: largura de entrada.
        n_out: largura de saída.
        bias: valor inicial do viés.
        lr_multiplier: quanto menor, mais devagar esta camada aprende, com a mesma saída inicial.

    Referência:
        Karras et al. (2018), *Progressive growing of GANs*, seção 4.1.
    """

    def __init__(self, n_in: int, n_out: int, *, bias: float = 0.0, lr_multiplier: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((n_out,), bias / lr_multiplier))
        self.scale = lr_multiplier / math.sqrt(n_in)
        self.lr_multiplier = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_out) de x (B, n_in)."""
        return F.linear(x, self.weight * self.scale, self.bias * self.lr_multiplier)


class EqualizedConv2d(nn.Module):
    r"""Convolução de taxa de aprendizado equalizada, que mantém a resolução; como em :class:`EqualizedLinear`.

    Args:
        n_in: canais de entrada.
        n_out: canais de saída.
        size: lado do núcleo, ímpar.
        bias: se há viés.
    """

    def __init__(self, n_in: int, n_out: int, size: int = 3, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, size, size))
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None
        self.scale = 1 / math.sqrt(n_in * size**2)

    def forward(self, h: Tensor) -> Tensor:
        """(B, n_out, H, W) de h (B, n_in, H, W)."""
        return F.conv2d(h, self.weight * self.scale, self.bias, padding=self.weight.shape[-1] // 2)


def leaky_relu(h: Tensor) -> Tensor:
    """Leaky ReLU com o ganho que devolve à saída a variância da entrada."""
    return F.leaky_relu(h, SLOPE) * GAIN


def pixel_norm(z: Tensor) -> Tensor:
    r"""Põe cada vetor na esfera de raio :math:`\sqrt{d}`: :math:`z / \sqrt{\overline{z^2}}`, de z (B, d).

    Referência:
        Karras et al. (2018), seção 4.2.
    """
    return z * torch.rsqrt(z.square().mean(1, keepdim=True) + EPSILON)


def adaptive_instance_norm(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    r"""AdaIN: apaga a média e o desvio de cada mapa e escreve no lugar os do estilo.

    .. math:: \mathrm{AdaIN}(h_c, s, b) = s_c\,\frac{h_c - \mu(h_c)}{\sigma(h_c)} + b_c

    Média e desvio são de cada exemplo e de cada canal, sobre as posições.

    Args:
        h: (B, C, H, W).
        scale: s (B, C).
        shift: b (B, C).

    Returns:
        (B, C, H, W), em que o mapa c tem média b_c e desvio |s_c|.

    Referência:
        Karras, Laine e Aila (2019), *A style-based generator architecture*, equação 1.
    """
    return F.instance_norm(h, eps=EPSILON) * scale[:, :, None, None] + shift[:, :, None, None]


class SynthesisLayer(nn.Module):
    """Uma convolução, ruído por pixel, ativação e estilo: a unidade que se repete no gerador.

    Com ``demodulate`` falso o estilo entra por AdaIN, depois da ativação (StyleGAN). Verdadeiro, o estilo escala os
    canais que a convolução recebe, e a saída é dividida pelo desvio que isso lhe daria se as entradas fossem
    independentes e de variância 1 (StyleGAN2): a normalização usa só os pesos, não os mapas.

    Args:
        n_in: canais de entrada.
        n_out: canais de saída.
        w_dim: largura do estilo w.
        upsample: se a resolução dobra.
        convolve: se há convolução; a primeira camada só veste a constante.
        demodulate: qual das duas formas.
    """

    def __init__(
        self, n_in: int, n_out: int, w_dim: int, *, upsample: bool = False, convolve: bool = True, demodulate: bool
    ) -> None:
        super().__init__()
        self.upsample = upsample
        self.demodulate = demodulate
        self.conv = EqualizedConv2d(n_in, n_out, bias=False) if convolve else None
        self.style = EqualizedLinear(w_dim, n_in if demodulate else 2 * n_out)
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.noise_strength = nn.Parameter(torch.zeros(n_out))

    def forward(self, h: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """(B, n_out, H', W') de h (B, n_in, H, W), do estilo w (B, w_dim) e do ruído (B, 1, H', W')."""
        style = self.style(w)
        if self.demodulate:
            h = h * (1 + style)[:, :, None, None]
        if self.conv is not None:
            h = self.conv(h)
            if self.demodulate:
                h = h * self._demodulation(1 + style)[:, :, None, None]
        if self.upsample:
            # A convolução veio antes, na resolução menor: um quarto do custo.
            h = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)
        h = h + self.noise_strength[:, None, None] * noise + self.bias[:, None, None]
        h = leaky_relu(h)
        if self.demodulate:
            return h
        scale, shift = style.chunk(2, dim=1)  # (B, n_out) cada um
        return adaptive_instance_norm(h, 1 + scale, shift)

    def _demodulation(self, style: Tensor) -> Tensor:
        # σ_j² = Σ_i s_i² Σ_k (w_jik)²: (B, n_in) vezes (n_in, n_out).
        power = (self.conv.weight * self.conv.scale).square().sum((2, 3))
        return torch.rsqrt(style.square() @ power.T + EPSILON)


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
        require_count(n_layers, "n_layers")
        self.z_dim = z_dim
        widths = [z_dim] + [w_dim] * n_layers
        self.layers = nn.ModuleList(
            EqualizedLinear(n_in, n_out, lr_multiplier=0.01) for n_in, n_out in itertools.pairwise(widths)
        )

    def forward(self, z: Tensor) -> Tensor:
        """w (B, w_dim) de z (B, z_dim).

        Raises:
            TypeError, ValueError: ``z`` tem outro tipo ou outra forma.
        """
        require_latent(z, self.z_dim)
        require_dtype(z, self.layers[0], "z")
        h = pixel_norm(z)
        for layer in self.layers:
            h = leaky_relu(layer(h))
        return h


class SynthesisNetwork(nn.Module):
    """De uma constante aprendida 4×4 à imagem, com duas camadas por resolução: 4, 8, 16 e 32, aparada a 28.

    Args:
        w_dim: largura do estilo.
        channels: canais em 4, 8, 16 e 32.
        demodulate: como o estilo entra (veja :class:`SynthesisLayer`).

    Raises:
        ValueError: ``channels`` não são quatro inteiros positivos.

    Referência:
        Karras, Laine e Aila (2019), figura 1b.
    """

    def __init__(self, w_dim: int, channels: Sequence[int], *, demodulate: bool = False) -> None:
        super().__init__()
        _require_channels(channels)
        self.w_dim = w_dim
        self.constant = nn.Parameter(torch.randn(1, channels[0], RESOLUTIONS[0], RESOLUTIONS[0]))
        self.layers = nn.ModuleList()
        n_in = channels[0]
        for i, n_out in enumerate(channels):
            first = i == 0
            self.layers.append(
                SynthesisLayer(n_in, n_out, w_dim, upsample=not first, convolve=not first, demodulate=demodulate)
            )
            self.layers.append(SynthesisLayer(n_out, n_out, w_dim, demodulate=demodulate))
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
        runtime.require(
            w.ndim == 3 and w.shape[1:] == (self.n_styles, self.w_dim),
            f"w: veio forma {tuple(w.shape)}; esperava (B, {self.w_dim}) ou (B, {self.n_styles}, {self.w_dim})",
        )
        noise = noise if noise is not None else self.draw_noise(len(w))
        runtime.require(
            len(noise) == self.n_styles, f"noise: vieram {len(noise)} mapas; esperava {self.n_styles}, um por camada"
        )
        h = self.constant.expand(len(w), -1, -1, -1)
        for layer, style, layer_noise in zip(self.layers, w.unbind(1), noise, strict=True):
            h = layer(h, style, layer_noise)
        return tanh(self.to_image(h))[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]


class StyleGenerator(nn.Module):
    """O gerador inteiro: z → w → imagem, com truncamento e mistura de estilos.

    Args:
        z_dim: dimensões de z.
        w_dim: dimensões de w.
        channels: canais em 4, 8, 16 e 32.
        demodulate: como o estilo entra (veja :class:`SynthesisLayer`).

    Raises:
        ValueError: alguma largura não serve.
    """

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
        # A média de w, para onde o truncamento puxa.
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
        runtime.require(0 <= psi <= 1, f"psi: veio {psi}; esperava um número entre 0 e 1")
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
        runtime.require(
            isinstance(crossover, int) and 0 <= crossover <= self.n_styles,
            f"crossover: veio {crossover!r}; esperava um inteiro entre 0 e {self.n_styles}",
        )
        runtime.require(
            w_coarse.shape == w_fine.shape,
            f"w_coarse e w_fine: vieram formas {tuple(w_coarse.shape)} e {tuple(w_fine.shape)}; esperava iguais",
        )
        first = (torch.arange(self.n_styles, device=w_coarse.device) < crossover)[:, None]
        return torch.where(first, w_coarse.unsqueeze(1), w_fine.unsqueeze(1))

    @torch.no_grad()
    def measure_w_mean(self, n: int = 10_000) -> None:
        """Mede a média de w em ``n`` sorteios e a guarda em ``w_mean``: faça-o quando os pesos mudarem."""
        z = torch.randn(n, self.latent_dim, device=self.w_mean.device, dtype=self.w_mean.dtype)
        self.w_mean.copy_(self.mapping(z).mean(0))

    @torch.no_grad()
    def sample(self, n: int, *, psi: float = 1.0) -> Tensor:
        """``n`` imagens (n, 1, 28, 28) de z sorteado de N(0, I).

        Raises:
            ValueError: ``n`` menor que 1, ou ``psi`` fora de [0, 1].
        """
        require_count(n)
        z = torch.randn(n, self.latent_dim, device=self.w_mean.device, dtype=self.w_mean.dtype)
        return torch.cat([self(part, psi=psi) for part in z.split(500)])


# --- o discriminador --------------------------------------------------------------------------------------------------


def minibatch_std(h: Tensor, group: int = 8) -> Tensor:
    """Junta a h um canal com o desvio padrão dentro do grupo: (B, C + 1, H, W) de h (B, C, H, W).

    O discriminador passa a ver se as imagens de um grupo são parecidas demais, e um gerador que só sabe poucos dígitos
    é apanhado.

    Args:
        h: mapas; B é múltiplo de ``group`` ou o lote todo é um grupo.
        group: exemplos por grupo.

    Referência:
        Karras et al. (2018), seção 3.
    """
    B, C, H, W = h.shape
    group = group if B % group == 0 else B
    # Um grupo são exemplos a B / group posições uns dos outros.
    grouped = h.view(group, B // group, C, H, W)
    std = (grouped.var(0, unbiased=False) + EPSILON).sqrt().mean((1, 2, 3))  # (B / group,)
    return torch.cat([h, std.repeat(group).view(B, 1, 1, 1).expand(-1, -1, H, W)], dim=1)


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
        _require_channels(channels)
        wide = list(reversed(channels))  # 32, 16, 8, 4
        self.from_image = EqualizedConv2d(1, wide[0], 1)
        self.convs = nn.ModuleList()
        for n_in, n_out in itertools.pairwise(wide):
            self.convs.append(nn.ModuleList([EqualizedConv2d(n_in, n_in), EqualizedConv2d(n_in, n_out)]))
        self.last = EqualizedConv2d(wide[-1] + 1, wide[-1])
        self.hidden = EqualizedLinear(wide[-1] * RESOLUTIONS[0] ** 2, wide[-1])
        self.logit = EqualizedLinear(wide[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B,) de x (B, 1, 28, 28) ser real.

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens.
        """
        runtime.require_images(x)
        require_dtype(x, self.from_image)
        h = F.pad(x, (MARGIN,) * 4, value=-1.0)
        h = leaky_relu(self.from_image(h))
        for before, after in self.convs:
            h = leaky_relu(before(h))
            h = leaky_relu(after(F.avg_pool2d(h, 2)))
        h = leaky_relu(self.last(minibatch_std(h)))
        h = leaky_relu(self.hidden(h.flatten(1)))
        return self.logit(h).squeeze(1)


def _require_channels(channels: Sequence[int]) -> None:
    valid = len(channels) == len(RESOLUTIONS) and all(isinstance(c, int) and c >= 1 for c in channels)
    runtime.require(valid, f"channels: veio {tuple(channels)}; esperava quatro inteiros positivos (4, 8, 16 e 32)")


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
        runtime.require(r1_weight >= 0, f"r1_weight: veio {r1_weight}; esperava um número maior ou igual a zero")
        require_count(r1_every, "r1_every")
        runtime.require(0 <= mixing <= 1, f"mixing: veio {mixing}; esperava um número entre 0 e 1")
        self.gen = gen
        self.disc = disc
        self.gen_optimizer = gen_optimizer
        self.disc_optimizer = disc_optimizer
        self.r1_weight = r1_weight
        self.r1_every = r1_every
        self.mixing = mixing

    def __call__(self, batch) -> dict[str, Tensor]:
        """Anda um passo com ``batch.x`` (B, 1, 28, 28) e devolve as perdas e a penalidade.

        ``r1`` é zero nos passos em que ela não entra, e já vem multiplicada por ``r1_every`` nos outros: a sua média na
        época é a penalidade média.

        Raises:
            TypeError, ValueError: ``batch.x`` não é um lote de imagens.
        """
        runtime.require_images(batch.x, "batch.x")
        x, n = batch.x, len(batch.x)
        fake = self._generate(n, x)

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
        self.disc.requires_grad_(False)
        gen_loss = nonsaturating_loss(self.disc(fake))
        self.disc.requires_grad_(True)
        self.gen_optimizer.zero_grad()
        gen_loss.backward()
        self.gen_optimizer.step()
        return {"disc_loss": disc_loss.detach(), "gen_loss": gen_loss.detach(), "r1": r1.detach()}

    def _generate(self, n: int, like: Tensor) -> Tensor:
        w = self.gen.mapping(torch.randn(n, self.gen.latent_dim, device=like.device, dtype=like.dtype))
        if torch.rand(()) < self.mixing:
            # Com estilos vizinhos vindos de códigos diferentes, nenhuma camada pode contar com o que a outra recebeu.
            other = self.gen.mapping(torch.randn(n, self.gen.latent_dim, device=like.device, dtype=like.dtype))
            crossover = int(torch.randint(1, self.gen.n_styles, ()))
            w = self.gen.mix(w, other, crossover)
        return self.gen.synthesis(w)
