"""CycleGAN: traduz entre dois domínios sem exemplos pareados. Capítulo 06_cyclegan."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from course_lib import checks
from course_lib.contracts import Terms, UnpairedBatch
from course_lib.models.layers import fast_tanh, frozen, whole_batch


class ResnetBlock(nn.Module):
    """Duas convoluções 3×3 com normalização por instância, somadas à entrada.

    Args:
        channels: canais de entrada e de saída.

    Referência:
        Zhu et al. (2017), apêndice 7.2 (o bloco ``Rk``).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_conv(channels, channels, 3), nn.ReLU(), *_conv(channels, channels, 3))

    def forward(self, h: Tensor) -> Tensor:
        """(B, channels, H, W) de h da mesma forma."""
        return h + self.body(h)


class ResnetGenerator(nn.Module):
    r"""Leva uma imagem de um domínio a uma imagem do outro, da mesma forma: desce, transforma e sobe de volta.

    Uma convolução larga, ``n_downs`` convoluções de passo 2 (cada uma dobra os canais), ``n_blocks`` blocos residuais e
    o caminho de volta. A rede é toda convolucional: serve a qualquer altura e largura múltiplas de ``multiple``.

    Sem argumentos, é a rede pequena que o curso treina em dígitos: em vez de descer, ela dobra a imagem 1×28×28 em
    16×7×7 (cada quadrado 4×4 vira dezesseis canais), o que nada perde. A do artigo, para fotos de 256×256, é
    ``ResnetGenerator(3, 64, fold=1, n_downs=2, n_blocks=9)``.

    Args:
        image_channels: canais da imagem, 1 (cinza) ou 3 (cor).
        width: canais depois da primeira convolução.
        fold: lado do quadrado de pixels que vira canais antes da primeira convolução; 1 não dobra.
        n_downs: quantas vezes a resolução cai à metade dentro da rede.
        n_blocks: blocos residuais na resolução mais baixa.

    Raises:
        ValueError: algum dos números não é um inteiro maior que zero (``n_downs`` pode ser zero).

    Referência:
        Zhu et al. (2017), *Unpaired image-to-image translation using cycle-consistent adversarial networks*, seção 4 e
        apêndice 7.2; a rede vem de Johnson, Alahi e Fei-Fei (2016), *Perceptual losses*.
    """

    def __init__(
        self, image_channels: int = 1, width: int = 64, *, fold: int = 4, n_downs: int = 0, n_blocks: int = 3
    ) -> None:
        super().__init__()
        checks.sizes(image_channels=image_channels, width=width, fold=fold, n_blocks=n_blocks)
        n_downs = checks.integer(n_downs, "n_downs", low=0)
        self.image_channels = image_channels
        self.multiple = fold * 2**n_downs
        # Numa imagem dobrada, 3×3 posições já cobrem tantos pixels quanto a convolução 7×7 do artigo, ou mais.
        kernel = 7 if fold == 1 else 3
        channels = image_channels * fold**2
        layers = [nn.PixelUnshuffle(fold), *_conv(channels, width, kernel), nn.ReLU()]
        for _ in range(n_downs):
            layers += [*_conv(width, 2 * width, 3, stride=2), nn.ReLU()]
            width *= 2
        layers += [ResnetBlock(width) for _ in range(n_blocks)]
        for _ in range(n_downs):
            up = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1, bias=False)
            width //= 2
            layers += [up, nn.InstanceNorm2d(width, affine=True), nn.ReLU()]
        self.net = nn.Sequential(*layers)
        self.head = nn.Conv2d(width, channels, kernel, padding=kernel // 2, padding_mode="reflect")
        self.unfold = nn.PixelShuffle(fold)
        self.apply(_paper_init)

    def forward(self, x: Tensor) -> Tensor:
        """Imagens (B, C, H, W) em [-1, 1] de x (B, C, H, W) em [-1, 1].

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens de C canais, ou H ou W não é múltiplo de ``multiple``.
        """
        checks.sized_images(x, self.image_channels, self.multiple, self.head)
        return fast_tanh(self.unfold(self.head(self.net(x))))


def least_side(n_downs: int) -> int:
    """O menor lado de imagem que o :class:`PatchDiscriminator` de ``n_downs`` julga: três vezes o seu passo.

    Com duas vezes, a última normalização só teria uma posição, e de uma não se estima variância.
    """
    return 3 * 2**n_downs


class PatchDiscriminator(nn.Module):
    r"""Julga retalhos da imagem, e não ela toda: devolve um mapa de logits, um por retalho.

    ``n_downs`` convoluções 4×4 de passo 2, uma de passo 1 e a saída. Cada logit vê um quadrado de lado
    :math:`16, 34, 70` para ``n_downs`` = 1, 2, 3: em dígitos, pouco mais que meia imagem; em fotos de 256×256, o
    retalho 70×70 do artigo, que é ``PatchDiscriminator(3, 64, n_downs=3)``.

    Args:
        image_channels: canais da imagem.
        width: canais da primeira convolução; dobram a cada uma, até 512.
        n_downs: quantas vezes a resolução cai à metade.

    Raises:
        ValueError: algum dos números não é um inteiro maior que zero.

    Referência:
        Isola et al. (2017), *Image-to-image translation with conditional adversarial networks*, seção 3.2.2; Zhu et al.
        (2017), seção 4 e apêndice 7.2.
    """

    def __init__(self, image_channels: int = 1, width: int = 32, *, n_downs: int = 1) -> None:
        super().__init__()
        checks.sizes(image_channels=image_channels, width=width, n_downs=n_downs)
        self.image_channels = image_channels
        self.multiple = 2**n_downs
        self.least = least_side(n_downs)
        layers = [nn.Conv2d(image_channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for stride in (*(2,) * (n_downs - 1), 1):
            n_out = min(2 * width, 512)
            layers += [
                nn.Conv2d(width, n_out, 4, stride=stride, padding=1, bias=False),
                nn.InstanceNorm2d(n_out, affine=True),
                nn.LeakyReLU(0.2),
            ]
            width = n_out
        layers.append(nn.Conv2d(width, 1, 4, padding=1))
        self.net = nn.Sequential(*layers)
        self.net.apply(_paper_init)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, h, w) de cada retalho de x (B, C, H, W) ser real; de 28×28 e um só passo 2, (B, 12, 12).

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens de C canais, ou elas são menores que
                :func:`least_side`.
        """
        checks.sized_images(x, self.image_channels, self.multiple, self.net, least=self.least)
        return self.net(x).squeeze(1)


class ImagePool:
    """Guarda imagens falsas já mostradas ao discriminador e lhe devolve, metade das vezes, uma antiga.

    As primeiras ``capacity`` imagens são guardadas e devolvidas como vieram. Daí em diante, cada imagem é devolvida
    como veio ou, com probabilidade 1/2, troca de lugar com uma guardada, sorteada. Assim o discriminador não esquece os
    erros que o gerador já deixou de cometer, e o jogo oscila menos.

    O que está guardado faz parte do estado do treinamento: vai no checkpoint.

    Args:
        capacity: quantas imagens guardar; 0 devolve sempre as que vieram.

    Raises:
        ValueError: ``capacity`` não é um inteiro maior ou igual a zero.

    Referência:
        Shrivastava et al. (2017), *Learning from simulated and unsupervised images*, seção 2.3; Zhu et al. (2017),
        seção 4.
    """

    def __init__(self, capacity: int = 50) -> None:
        capacity = checks.integer(capacity, "capacity", low=0)
        self.capacity = int(capacity)  # um inteiro do NumPy não voltaria do checkpoint
        self.images: list[Tensor] = []

    @whole_batch
    @torch.no_grad()
    def __call__(self, fakes: Tensor) -> Tensor:
        """Lote (B, C, H, W), sem gradiente, de imagens novas e antigas, a partir das novas: fakes (B, C, H, W)."""
        if self.capacity == 0:
            return fakes.detach()
        # Sorteados na CPU e de uma vez: numa GPU, perguntar a cada imagem esperaria por ela.
        swaps = (torch.rand(len(fakes)) < 0.5).tolist()
        slots = torch.randint(self.capacity, (len(fakes),)).tolist()
        shown = []
        for fake, swap, slot in zip(fakes.detach(), swaps, slots, strict=True):
            if len(self.images) < self.capacity:
                self.images.append(fake.clone())
            elif swap:
                # Retomadas de um checkpoint, as guardadas vêm da CPU.
                fake, self.images[slot] = self.images[slot].to(fake), fake.clone()
            shown.append(fake)
        return torch.stack(shown)

    def state_dict(self) -> dict[str, Any]:
        """As imagens guardadas."""
        return {"capacity": self.capacity, "images": torch.stack(self.images) if self.images else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Retoma de um :meth:`state_dict`.

        Raises:
            ValueError: o estado é de um reservatório de outro tamanho.
        """
        checks.same(state["capacity"], self.capacity, "capacity do estado")
        self.images = list(state["images"].clone()) if state["images"] is not None else []


class LinearDecay(LambdaLR):
    r"""Taxa constante na primeira metade dos passos; na segunda, em linha reta até zero.

    .. math:: \eta_n = \eta_0 \min\left(1,\ 2\left(1 - \frac{n}{N}\right)\right)

    Args:
        optimizer: o otimizador.
        total_steps: N, os passos do treinamento. Vai no checkpoint, que só se retoma com o mesmo N.

    Referência:
        Zhu et al. (2017), seção 4.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, total_steps: int) -> None:
        self.total_steps = int(total_steps)
        super().__init__(optimizer, self.factor)

    def factor(self, n: int) -> float:
        """Por quanto a taxa inicial se multiplica no passo n."""
        return min(1.0, max(0.0, 2 * (1 - n / self.total_steps)))


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    r"""Mínimos quadrados do discriminador: :math:`\tfrac12\,[(D(y) - 1)^2 + D(G(x))^2]`, médias sobre os retalhos.

    O 1/2 é o do artigo; com o Adam, quem faz o discriminador andar mais devagar é a taxa dele.

    Args:
        real_logits: (B, h, w).
        fake_logits: (B', h, w).

    Returns:
        Escalar ≥ 0; vale 1/4 quando D = 1/2 em tudo.

    Referência:
        Mao et al. (2017), *Least squares generative adversarial networks*; Zhu et al. (2017), seção 4 e apêndice 7.1.
    """
    return 0.5 * ((real_logits - 1).square().mean() + fake_logits.square().mean())


def generator_loss(fake_logits: Tensor) -> Tensor:
    r"""Mínimos quadrados do gerador: :math:`(D(G(x)) - 1)^2`, média sobre fake_logits (B, h, w).

    Referência:
        Mao et al. (2017); Zhu et al. (2017), seção 4.
    """
    return (fake_logits - 1).square().mean()


def cycle_loss(x_cycled: Tensor, x: Tensor) -> Tensor:
    r"""Consistência de ciclo: :math:`\lVert F(G(x)) - x \rVert_1`, média por pixel de dois lotes (B, C, H, W).

    Referência:
        Zhu et al. (2017), equação 2.
    """
    return (x_cycled - x).abs().mean()


def identity_loss(y_same: Tensor, y: Tensor) -> Tensor:
    r"""Perda de identidade: :math:`\lVert G(y) - y \rVert_1`, média por pixel de dois lotes (B, C, H, W).

    Quem leva X em Y não deve mexer no que já é de Y. Sem ela a tradução pode trocar tons (o claro pelo escuro) e o
    ciclo os destrocar.

    Referência:
        Zhu et al. (2017), seção 5.2.
    """
    return (y_same - y).abs().mean()


class CycleGANStep:
    r"""Um passo do jogo: os dois geradores andam juntos, depois os dois discriminadores.

    Os geradores minimizam, com G = ``gen_xy`` e F = ``gen_yx``,

    .. math::
        (D_Y(G(x)) - 1)^2 + (D_X(F(y)) - 1)^2
        + \lambda\,\left[\lVert F(G(x)) - x\rVert_1 + \lVert G(F(y)) - y\rVert_1\right]
        + \lambda_{\text{id}}\left[\lVert G(y) - y\rVert_1 + \lVert F(x) - x\rVert_1\right]

    Args:
        gen_xy: gerador de X para Y.
        gen_yx: gerador de Y para X.
        disc_x: discriminador que julga imagens do domínio X.
        disc_y: discriminador que julga imagens do domínio Y.
        gen_optimizer: otimizador dos parâmetros dos dois geradores.
        disc_optimizer: otimizador dos parâmetros dos dois discriminadores.
        schedulers: agendas das taxas de aprendizado dos geradores e dos discriminadores, avançadas a cada passo.
        cycle_weight: λ.
        identity_weight: λ_id; com 0 as suas duas passagens nem são feitas.
        pool_size: imagens guardadas de cada domínio para o discriminador; 0 desliga.
        autocast: tipo em que fazer os produtos (``torch.bfloat16``, por exemplo); ``None``: tudo em float32.

    Raises:
        ValueError: um peso negativo, ou ``pool_size`` que não é um inteiro maior ou igual a zero.

    Referência:
        Zhu et al. (2017), equações 1 a 3 e seção 4.
    """

    def __init__(
        self,
        gen_xy: nn.Module,
        gen_yx: nn.Module,
        disc_x: nn.Module,
        disc_y: nn.Module,
        gen_optimizer: torch.optim.Optimizer,
        disc_optimizer: torch.optim.Optimizer,
        schedulers: tuple[LRScheduler | None, LRScheduler | None] = (None, None),
        *,
        cycle_weight: float = 10.0,
        identity_weight: float = 5.0,
        pool_size: int = 50,
        autocast: torch.dtype | None = None,
    ) -> None:
        checks.numbers("[0, inf)", cycle_weight=cycle_weight, identity_weight=identity_weight)
        self.gen_xy = gen_xy
        self.gen_yx = gen_yx
        self.disc_x = disc_x
        self.disc_y = disc_y
        self.gen_optimizer = gen_optimizer
        self.disc_optimizer = disc_optimizer
        self.gen_scheduler, self.disc_scheduler = schedulers
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.pool_x = ImagePool(pool_size)
        self.pool_y = ImagePool(pool_size)
        self.autocast = autocast

    def __call__(self, batch: UnpairedBatch) -> Terms:
        """Anda um passo com ``batch.x`` e ``batch.y`` (B, C, H, W), sem par entre si, e devolve cada termo.

        Raises:
            TypeError, ValueError: ``batch.x`` ou ``batch.y`` não é um lote de imagens.
        """
        x, y = batch.x, batch.y
        with torch.autocast(x.device.type, self.autocast, enabled=self.autocast is not None):
            gen_terms, fake_x, fake_y = self._generators(x, y)
        gen_loss = (
            gen_terms["gan_xy"]
            + gen_terms["gan_yx"]
            + self.cycle_weight * (gen_terms["cycle_x"] + gen_terms["cycle_y"])
            + self.identity_weight * (gen_terms.get("identity_x", 0) + gen_terms.get("identity_y", 0))
        )
        self.gen_optimizer.zero_grad()
        gen_loss.backward()
        self.gen_optimizer.step()

        with torch.autocast(x.device.type, self.autocast, enabled=self.autocast is not None):
            disc_x_loss = self._judge(self.disc_x, x, self.pool_x(fake_x))
            disc_y_loss = self._judge(self.disc_y, y, self.pool_y(fake_y))
        self.disc_optimizer.zero_grad()
        (disc_x_loss + disc_y_loss).backward()
        self.disc_optimizer.step()

        for scheduler in (self.gen_scheduler, self.disc_scheduler):
            if scheduler is not None:
                scheduler.step()
        terms = {"gen_loss": gen_loss, **gen_terms, "disc_x": disc_x_loss, "disc_y": disc_y_loss}
        return {name: value.detach() for name, value in terms.items()}

    def _generators(self, x: Tensor, y: Tensor) -> tuple[Terms, Tensor, Tensor]:
        """Os termos dos geradores, sem peso, e as imagens falsas dos dois domínios."""
        fake_y, fake_x = self.gen_xy(x), self.gen_yx(y)
        # O gradiente atravessa os discriminadores, mas os pesos deles ficam de fora da conta.
        with frozen(self.disc_x, self.disc_y):
            terms = {"gan_xy": generator_loss(self.disc_y(fake_y)), "gan_yx": generator_loss(self.disc_x(fake_x))}
        terms["cycle_x"] = cycle_loss(self.gen_yx(fake_y), x)
        terms["cycle_y"] = cycle_loss(self.gen_xy(fake_x), y)
        if self.identity_weight > 0:
            terms["identity_x"] = identity_loss(self.gen_yx(x), x)
            terms["identity_y"] = identity_loss(self.gen_xy(y), y)
        return terms, fake_x, fake_y

    @staticmethod
    def _judge(disc: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        # Reais e falsas num só lote, porque um produto grande custa menos que dois pequenos.
        logits = disc(torch.cat([real, fake]))
        return discriminator_loss(logits[: len(real)], logits[len(real) :])


def _conv(n_in: int, n_out: int, kernel: int, *, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """Convolução que reflete a borda (preenchê-la de zeros deixaria uma moldura na imagem) e a sua normalização."""
    conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, padding_mode="reflect", bias=False)
    return conv, nn.InstanceNorm2d(n_out, affine=True)


def _paper_init(layer: nn.Module) -> None:
    # Zhu et al. (2017), apêndice 7.1: pesos de N(0; 0,02).
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
