"""Modelos de difusão: aprender a desfazer o ruído, um passo de cada vez. Capítulo 07_difusao."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import runtime
from course_lib.models.layers import IMAGE_DIM, IMAGE_SHAPE, require_count
from course_lib.models.unet import UNet

PREDICTIONS = ("eps", "v")
# Meia largura da caixinha de um tom de cinza, com os 256 tons espalhados em [-1, 1].
HALF_BIN = 1 / 255


def linear_schedule(steps: int) -> Tensor:
    r"""Variâncias :math:`\beta_t` em progressão aritmética, de 1e-4 a 0,02 quando são 1.000 passos.

    Com outro número de passos as duas pontas são multiplicadas por 1.000 / steps, para que o ruído total não mude.

    Args:
        steps: T, de 20 em diante: com menos, a última variância passaria de 1.

    Returns:
        (T,) em float64.

    Raises:
        ValueError: menos de 21 passos.

    Referência:
        Ho, Jain e Abbeel (2020), seção 4.
    """
    runtime.require(
        isinstance(steps, int) and steps > 20, f"steps: veio {steps!r}; o plano linear pede pelo menos 21 passos"
    )
    scale = 1_000 / steps
    return torch.linspace(1e-4 * scale, 0.02 * scale, steps, dtype=torch.float64)


def cosine_schedule(steps: int) -> Tensor:
    r"""Variâncias :math:`\beta_t` que fazem :math:`\bar\alpha` descer como um cosseno ao quadrado.

    .. math:: \bar\alpha(u) = \frac{f(u)}{f(0)}, \quad f(u) = \cos^2\!\left(\frac{u + s}{1 + s}\,\frac{\pi}{2}\right),
        \quad \beta_t = \min\!\left(1 - \frac{\bar\alpha((t + 1) / T)}{\bar\alpha(t / T)},\ 0{,}999\right),
        \quad s = 0{,}008

    Args:
        steps: T.

    Returns:
        (T,) em float64.

    Raises:
        ValueError: ``steps`` não é um inteiro maior que zero.

    Referência:
        Nichol e Dhariwal (2021), *Improved denoising diffusion probabilistic models*, equação 17.
    """
    runtime.require(isinstance(steps, int) and steps >= 1, f"steps: veio {steps!r}; esperava um inteiro ≥ 1")
    u = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    alpha_bar = torch.cos((u + 0.008) / 1.008 * math.pi / 2).square()
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)


SCHEDULES: dict[str, Callable[[int], Tensor]] = {"linear": linear_schedule, "cosine": cosine_schedule}


class Diffusion(nn.Module):
    r"""Processo de ruído fixo e a rede que o desfaz.

    O processo de ida é :math:`q(x_t|x_{t-1}) = N(\sqrt{1 - \beta_t}\,x_{t-1},\ \beta_t I)`, com t de 0 a T - 1: o
    índice 0 é o primeiro passo de ruído, e "antes do passo 0" está a imagem limpa. A rede vê :math:`x_t`, o instante e
    o dígito, e prevê o ruído (``eps``) ou a velocidade (``v``); das duas saem :math:`\hat{x}_0` e
    :math:`\hat\epsilon`.

    Args:
        network: ``network(x, t, y)``, com t em [0, 1); a :class:`~course_lib.models.unet.UNet` quando falta.
        steps: T.
        schedule: ``"cosine"`` ou ``"linear"``.
        prediction: o que a rede prevê, ``"v"`` ou ``"eps"``.

    Raises:
        ValueError: plano ou previsão desconhecidos, ou ``steps`` fora da faixa.

    Referência:
        Ho, Jain e Abbeel (2020), *Denoising diffusion probabilistic models*; a velocidade é de Salimans e Ho (2022),
        *Progressive distillation for fast sampling of diffusion models*, apêndice D.
    """

    def __init__(
        self,
        network: nn.Module | None = None,
        *,
        steps: int = 1_000,
        schedule: str = "cosine",
        prediction: str = "v",
    ) -> None:
        super().__init__()
        runtime.require(
            schedule in SCHEDULES, f"schedule: veio {schedule!r}; os planos de ruído são {', '.join(SCHEDULES)}"
        )
        runtime.require(
            prediction in PREDICTIONS, f"prediction: veio {prediction!r}; esperava {' ou '.join(PREDICTIONS)}"
        )
        beta = SCHEDULES[schedule](steps)
        self.network = network if network is not None else UNet()
        self.steps = steps
        self.prediction = prediction
        # As contas dos planos são feitas em float64: um produto de mil fatores perto de 1 não perdoa o float32. E não
        # vão para o arquivo de pesos: refazem-se da configuração.
        self.register_buffer("beta", beta.float(), persistent=False)
        self.register_buffer("alpha_bar", torch.cumprod(1 - beta, 0).float(), persistent=False)

    def q_sample(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        r"""Amostra de q(x_t|x_0) num passo só.

        .. math:: x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\,\epsilon

        Args:
            x_0: (B, 1, 28, 28) em [-1, 1].
            t: (B,) inteiros em 0..T-1.
            eps: ruído de N(0, I), da forma de ``x_0``.

        Returns:
            x_t, da forma de ``x_0``.

        Raises:
            ValueError: ``t`` fora de 0..T-1, ou formas que não combinam.

        Referência:
            Ho, Jain e Abbeel (2020), equação 4.
        """
        runtime.require(
            eps.shape == x_0.shape, f"eps: veio forma {tuple(eps.shape)}; esperava a de x_0, {tuple(x_0.shape)}"
        )
        signal, noise = self.rates(self.alpha_bar_at(t, len(x_0)))
        return signal * x_0 + noise * eps

    def q_posterior(self, x_0: Tensor, x_t: Tensor, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        r"""Média e variância de q(x_s|x_t, x_0), com s < t: onde se estava antes, sabendo de onde se partiu.

        .. math:: \mu = \frac{\sqrt{\bar\alpha_s}\,(1 - a)}{1 - \bar\alpha_t}\,x_0
            + \frac{\sqrt{a}\,(1 - \bar\alpha_s)}{1 - \bar\alpha_t}\,x_t, \qquad
            \sigma^2 = \frac{(1 - \bar\alpha_s)(1 - a)}{1 - \bar\alpha_t}, \qquad a = \bar\alpha_t / \bar\alpha_s

        Args:
            x_0: (B, 1, 28, 28).
            x_t: (B, 1, 28, 28).
            t: (B,) inteiros em 0..T-1.
            s: (B,) inteiros em -1..T-1; -1 é a imagem limpa, e aí a variância é zero.

        Returns:
            Média, da forma de ``x_t``, e variância (B, 1, 1, 1).

        Referência:
            Ho, Jain e Abbeel (2020), equações 6 e 7, para s = t - 1.
        """
        bar_t, bar_s = self.alpha_bar_at(t, len(x_t)), self.alpha_bar_at(s, len(x_t), clean=True)
        a = bar_t / bar_s
        mean = (bar_s.sqrt() * (1 - a) * x_0 + a.sqrt() * (1 - bar_s) * x_t) / (1 - bar_t)
        return mean, (1 - bar_s) * (1 - a) / (1 - bar_t)

    def target(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        r"""O que a rede deve prever (B, 1, 28, 28): ``eps``, ou a velocidade.

        .. math:: v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1 - \bar\alpha_t}\,x_0
        """
        if self.prediction == "eps":
            return eps
        signal, noise = self.rates(self.alpha_bar_at(t, len(x_0)))
        return signal * eps - noise * x_0

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Saída da rede (B, 1, 28, 28) para x_t, t (B,) em 0..T-1 e o dígito y (B,), ou nenhum."""
        return self.network(x_t, t / self.steps, y)

    def predict(
        self, x_t: Tensor, t: Tensor, y: Tensor | None = None, *, guidance: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        r"""Estimativas :math:`(\hat{x}_0, \hat\epsilon)`, com :math:`\hat{x}_0` cortada em [-1, 1].

        Com ``guidance`` w > 0, a saída com o dígito é afastada da saída sem ele: :math:`(1 + w)\,o(x, y) - w\,o(x)`.

        Args:
            x_t: (B, 1, 28, 28).
            t: (B,) inteiros em 0..T-1.
            y: (B,) dígitos; ``None`` para nenhum.
            guidance: w ≥ 0; só tem efeito quando há ``y``.

        Raises:
            ValueError: ``guidance`` negativo, ou maior que zero sem ``y``.

        Referência:
            Ho e Salimans (2022), *Classifier-free diffusion guidance*, equação 6.
        """
        runtime.require(guidance >= 0, f"guidance: veio {guidance}; esperava um número maior ou igual a zero")
        runtime.require(guidance == 0 or y is not None, "guidance: só guia quem sabe aonde ir; passe também y")
        signal, noise = self.rates(self.alpha_bar_at(t, len(x_t)))
        if guidance:
            none = torch.full_like(y, self.network.n_classes)
            with_y, without_y = self(x_t.repeat(2, 1, 1, 1), t.repeat(2), torch.cat([y, none])).chunk(2)
            output = (1 + guidance) * with_y - guidance * without_y
        else:
            output = self(x_t, t, y)
        x_0 = (x_t - noise * output) / signal if self.prediction == "eps" else signal * x_t - noise * output
        x_0 = x_0.clamp(-1, 1)
        # Depois do corte, o ruído é o que falta para que x_0 e eps continuem a explicar o mesmo x_t.
        return x_0, (x_t - signal * x_0) / noise

    def sample(self, n: int, *, steps: int = 30, y: Tensor | None = None, guidance: float = 0.0) -> Tensor:
        """``n`` imagens (n, 1, 28, 28) em [-1, 1], por DDIM; sem ``y``, o dígito de cada uma é sorteado."""
        require_count(n)
        if y is None:
            y = torch.randint(self.network.n_classes, (n,), device=self.beta.device)
        return ddim_sample(self, n, steps=steps, y=y, guidance=guidance)

    def alpha_bar_at(self, t: Tensor, n: int, *, clean: bool = False) -> Tensor:
        r""":math:`\bar\alpha_t` (n, 1, 1, 1); com ``clean``, aceita t = -1, a imagem limpa, em que vale 1.

        Raises:
            ValueError: ``t`` não são n inteiros na faixa.
        """
        runtime.require_index(t, n, -1 if clean else 0, self.steps - 1, "t")
        padded = F.pad(self.alpha_bar, (1, 0), value=1.0)
        return padded[t + 1].view(n, 1, 1, 1)

    @staticmethod
    def rates(alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
        r"""Pesos do sinal e do ruído em x_t: :math:`\sqrt{\bar\alpha}` e :math:`\sqrt{1 - \bar\alpha}`."""
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()


def diffusion_objective(model: Diffusion, batch, *, label_dropout: float = 0.1) -> dict[str, Tensor]:
    r"""A perda simples: erro quadrático médio da previsão, num instante sorteado por imagem.

    .. math:: E_{t, \epsilon}\,\lVert o_\theta(x_t, t, y) - \text{alvo} \rVert^2 / D

    Args:
        model: o modelo.
        batch: lote com ``x`` (B, 1, 28, 28) em [-1, 1] e ``labels`` (B,).
        label_dropout: fração das imagens que a rede vê sem o dígito, para poder amostrar com e sem ele.

    Returns:
        ``{"loss": ()}``, média sobre lote e pixels.

    Raises:
        ValueError: ``label_dropout`` fora de [0, 1].

    Referência:
        Ho, Jain e Abbeel (2020), equação 14.
    """
    runtime.require(0 <= label_dropout <= 1, f"label_dropout: veio {label_dropout}; esperava um número de 0 a 1")
    runtime.require_images(batch.x, "batch.x")
    B = len(batch.x)
    t = torch.randint(model.steps, (B,), device=batch.x.device)
    eps = torch.randn_like(batch.x)
    dropped = torch.rand(B, device=batch.x.device) < label_dropout
    y = torch.where(dropped, model.network.n_classes, batch.labels)
    output = model(model.q_sample(batch.x, t, eps), t, y)
    return {"loss": F.mse_loss(output, model.target(batch.x, t, eps))}


def timesteps(total: int, steps: int) -> list[tuple[int, int]]:
    """Os pares (t, s) de uma amostragem em ``steps`` saltos: de T - 1 até -1, a imagem limpa, quase iguais.

    Raises:
        ValueError: ``steps`` fora de 1..T.
    """
    valid = isinstance(steps, int) and 1 <= steps <= total
    runtime.require(valid, f"steps: veio {steps!r}; esperava um inteiro de 1 a {total}, os passos do modelo")
    visited = [round((total - 1) * (1 - i / steps) - i / steps) for i in range(steps + 1)]
    return list(pairwise(visited))


def ddpm_step(model: Diffusion, x_t: Tensor, x_0: Tensor, eps: Tensor, t: Tensor, s: Tensor) -> Tensor:
    r"""Um salto ancestral de t a s: sorteia de :math:`q(x_s|x_t, \hat{x}_0)`; ao chegar a s = -1, sem ruído.

    Referência:
        Ho, Jain e Abbeel (2020), algoritmo 2.
    """
    mean, variance = model.q_posterior(x_0, x_t, t, s)
    return mean + variance.sqrt() * torch.randn_like(x_t)  # em s = -1 a variância é zero


def ddim_step(model: Diffusion, x_t: Tensor, x_0: Tensor, eps: Tensor, t: Tensor, s: Tensor) -> Tensor:
    r"""Um salto determinístico de t a s: o mesmo :math:`\hat{x}_0` e o mesmo ruído, na dose de s.

    .. math:: x_s = \sqrt{\bar\alpha_s}\,\hat{x}_0 + \sqrt{1 - \bar\alpha_s}\,\hat\epsilon

    Referência:
        Song, Meng e Ermon (2021), *Denoising diffusion implicit models*, equação 12 com σ = 0.
    """
    signal, noise = model.rates(model.alpha_bar_at(s, len(x_t), clean=True))
    return signal * x_0 + noise * eps


@torch.no_grad()
def _sample(
    step: Callable[..., Tensor],
    model: Diffusion,
    n: int,
    *,
    steps: int,
    y: Tensor | None,
    guidance: float,
    x_T: Tensor | None,
    on_step: Callable[[int, Tensor, Tensor], None] | None,
    known: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    require_count(n)
    device = model.beta.device
    x = torch.randn(n, *IMAGE_SHAPE, device=device) if x_T is None else x_T
    runtime.require(x.shape == (n, *IMAGE_SHAPE), f"x_T: veio forma {tuple(x.shape)}; esperava {(n, *IMAGE_SHAPE)}")
    for now, after in timesteps(model.steps, steps):
        t, s = (torch.full((n,), index, device=device) for index in (now, after))
        x_0, eps = model.predict(x, t, y, guidance=guidance)
        x = step(model, x, x_0, eps, t, s)
        if known is not None:
            image, mask = known
            fresh = model.q_sample(image, s, torch.randn_like(image)) if after >= 0 else image
            x = torch.where(mask, fresh, x)
        if on_step is not None:
            on_step(after, x, x_0)
    return x


def ddpm_sample(
    model: Diffusion,
    n: int,
    *,
    steps: int = 1_000,
    y: Tensor | None = None,
    guidance: float = 0.0,
    x_T: Tensor | None = None,
    on_step: Callable[[int, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """``n`` imagens (n, 1, 28, 28) pela cadeia ancestral (:func:`ddpm_step`).

    Args:
        model: o modelo.
        n: quantas.
        steps: saltos, de 1 a T.
        y: (n,) dígitos pedidos; ``None`` amostra sem dígito.
        guidance: força da guia (veja :meth:`Diffusion.predict`).
        x_T: ruído inicial (n, 1, 28, 28); sorteado quando falta.
        on_step: ``on_step(s, x_s, x_0)``, chamado depois de cada salto.

    Raises:
        ValueError: ``n``, ``steps`` ou ``guidance`` fora da faixa.
    """
    return _sample(ddpm_step, model, n, steps=steps, y=y, guidance=guidance, x_T=x_T, on_step=on_step)


def ddim_sample(
    model: Diffusion,
    n: int,
    *,
    steps: int = 30,
    y: Tensor | None = None,
    guidance: float = 0.0,
    x_T: Tensor | None = None,
    on_step: Callable[[int, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """``n`` imagens (n, 1, 28, 28) pelo caminho determinístico (:func:`ddim_step`): o acaso está todo em ``x_T``.

    Os argumentos são os de :func:`ddpm_sample`.
    """
    return _sample(ddim_step, model, n, steps=steps, y=y, guidance=guidance, x_T=x_T, on_step=on_step)


def inpaint(
    model: Diffusion, x: Tensor, mask: Tensor, *, steps: int = 250, y: Tensor | None = None, guidance: float = 0.0
) -> Tensor:
    """Completa as imagens: o que ``mask`` marca é conhecido; o resto é amostrado em volta.

    Depois de cada salto, os pixels conhecidos são trocados pelos verdadeiros com o ruído daquele instante.

    Args:
        model: o modelo.
        x: (B, 1, 28, 28) em [-1, 1].
        mask: booleano, (B, 1, 28, 28) ou propagável: ``True`` onde o pixel é conhecido.
        steps: saltos.
        y: (B,) dígitos, ou ``None``.
        guidance: força da guia.

    Raises:
        TypeError, ValueError: ``x`` não é um lote de imagens, ou ``mask`` não é booleano.

    Referência:
        Lugmayr et al. (2022), *RePaint*, algoritmo 1 sem as voltas.
    """
    runtime.require_images(x)
    runtime.require(mask.dtype == torch.bool, f"mask: veio {mask.dtype}; esperava booleanos")
    return _sample(
        ddpm_step, model, len(x), steps=steps, y=y, guidance=guidance, x_T=None, on_step=None, known=(x, mask)
    )


@torch.no_grad()
def variational_bound(
    model: Diffusion, x: Tensor, y: Tensor | None = None, *, steps: int | None = None
) -> dict[str, Tensor]:
    r"""Cota superior de :math:`-\log_2 p(x)`, em bits por dimensão, da cadeia ancestral de ``steps`` saltos.

    .. math:: \mathrm{KL}(q(x_T|x_0)\,\|\,N(0, I)) + \sum_{(t, s)} \tfrac{1}{2}(\mathrm{SNR}_s - \mathrm{SNR}_t)
        \lVert x_0 - \hat{x}_0(x_t) \rVert^2 - \log p(x_0|x_{t_1})

    A soma percorre os saltos com s ≥ 0; o último, que chega à imagem limpa, é uma normal em torno de
    :math:`\hat{x}_0`, com a massa de cada um dos 256 tons.

    Args:
        model: o modelo.
        x: (B, 1, 28, 28) em [-1, 1], com 256 tons.
        y: (B,) dígitos, ou ``None``.
        steps: saltos da cadeia; T quando falta.

    Returns:
        ``prior``, ``denoising``, ``decoder`` e a soma ``total``, cada um (B,).

    Raises:
        TypeError, ValueError: ``x`` não é um lote de imagens de 256 tons, ou ``steps`` fora de 1..T.

    Referência:
        Ho, Jain e Abbeel (2020), equação 5; a forma com a razão sinal-ruído é de Kingma et al. (2021), *Variational
        diffusion models*, equação 13.
    """
    runtime.require_levels(x)
    B = len(x)
    bar = model.alpha_bar.double()
    snr = bar / (1 - bar)
    prior = 0.5 * (bar[-1] * x.double().square() - bar[-1] - torch.log1p(-bar[-1])).flatten(1).sum(1)
    denoising = torch.zeros(B, dtype=torch.float64, device=x.device)
    decoder = denoising
    for now, after in timesteps(model.steps, model.steps if steps is None else steps):
        t = torch.full((B,), now, device=x.device)
        x_0, _ = model.predict(model.q_sample(x, t, torch.randn_like(x)), t, y)
        if after >= 0:
            error = (x - x_0).square().flatten(1).sum(1).double()
            denoising = denoising + 0.5 * (snr[after] - snr[now]) * error
        else:
            decoder = -_discretized_log_likelihood(x.double(), x_0.double(), (1 - bar[now]).sqrt())
    terms = {"prior": prior, "denoising": denoising, "decoder": decoder, "total": prior + denoising + decoder}
    return {name: value / (IMAGE_DIM * math.log(2)) for name, value in terms.items()}


def _discretized_log_likelihood(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """log da massa que N(mean, std²) põe na caixinha do tom x; as caixinhas das pontas vão até o infinito. (B,)."""
    normal = torch.distributions.Normal(0.0, 1.0)
    upper = torch.where(x > 1 - HALF_BIN, 1.0, normal.cdf((x + HALF_BIN - mean) / std))
    lower = torch.where(x < -1 + HALF_BIN, 0.0, normal.cdf((x - HALF_BIN - mean) / std))
    return (upper - lower).clamp_min(1e-12).log().flatten(1).sum(1)
