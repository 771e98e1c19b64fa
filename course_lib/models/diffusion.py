"""Modelos de difusão: aprender a desfazer o ruído, um passo de cada vez. Capítulo 07_difusao."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks
from course_lib.checks import IMAGE_SHAPE
from course_lib.contracts import LabelledBatch, Terms
from course_lib.models.layers import class_count, draw_classes, images_of, standard_normal
from course_lib.models.unet import UNet, drop_labels, guided

PREDICTIONS = ("eps", "v")
# Saltos de uma amostra: dez de segunda ordem ficam à distância, das imagens reais, de trinta do DDIM. Quanto custa e
# quanto vale outro número, mede-se com ``benchmarks.sampling``.
STEPS = 10


def linear_schedule(steps: int) -> Tensor:
    r"""Variâncias :math:`\beta_t` em progressão aritmética, de 1e-4 a 0,02 quando são 1.000 passos.

    Com outro número de passos as duas pontas são multiplicadas por 1.000 / steps, para que o ruído total não mude.

    Args:
        steps: T, de 21 em diante: com menos, a última variância chegaria a 1.

    Returns:
        (T,) em float64.

    Raises:
        ValueError: menos de 21 passos.

    Referência:
        Ho, Jain e Abbeel (2020), seção 4.
    """
    steps = checks.integer(steps, "steps", low=21)
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
    steps = checks.integer(steps, "steps")
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
        network: ``network(x, t, y)``, com t em [0, 1); a :class:`~course_lib.models.unet.UNet` quando falta. Se ela
            não olha a classe (``n_classes=None``), y é sempre ``None``.
        steps: T.
        schedule: ``"cosine"`` ou ``"linear"``.
        prediction: o que a rede prevê, ``"v"`` ou ``"eps"``.

    Raises:
        ValueError: plano ou previsão desconhecidos, ou ``steps`` fora da faixa.

    Referência:
        Ho, Jain e Abbeel (2020), *Denoising diffusion probabilistic models*; a velocidade é de Salimans e Ho (2022),
        *Progressive distillation for fast sampling of diffusion models*, apêndice D.
    """

    beta: Tensor
    alpha_bar: Tensor

    def __init__(
        self,
        network: nn.Module | None = None,
        *,
        steps: int = 1_000,
        schedule: str = "cosine",
        prediction: str = "v",
    ) -> None:
        super().__init__()
        checks.one_of(schedule, "schedule", SCHEDULES)
        checks.one_of(prediction, "prediction", PREDICTIONS)
        beta = SCHEDULES[schedule](steps)
        self.network = network if network is not None else UNet()
        self.steps = steps
        self.prediction = prediction
        # Em float64: um produto de mil fatores perto de 1 não perdoa o float32. Refazem-se da configuração.
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
        checks.same_shape("x_0 e eps", x_0, eps)
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

    def predict(self, x_t: Tensor, t: Tensor, y: Tensor | None = None, *, guidance: float = 0.0) -> Tensor:
        r"""A imagem limpa que a rede imagina, :math:`\hat{x}_0` (B, 1, 28, 28), cortada em [-1, 1].

        Args:
            x_t: (B, 1, 28, 28).
            t: (B,) inteiros em 0..T-1.
            y: (B,) dígitos; ``None`` para nenhum.
            guidance: força da orientação sem classificador (:func:`~course_lib.models.unet.guided`).

        Raises:
            ValueError: ``guidance`` negativo, ou maior que zero sem ``y``.
        """
        signal, noise = self.rates(self.alpha_bar_at(t, len(x_t)))
        output = guided(self.network, x_t, t / self.steps, y, guidance)
        x_0 = (x_t - noise * output) / signal if self.prediction == "eps" else signal * x_t - noise * output
        return x_0.clamp(-1, 1)

    def noise_in(self, x_t: Tensor, x_0: Tensor, t: Tensor) -> Tensor:
        r"""O ruído :math:`\hat\epsilon` (B, 1, 28, 28) que falta para que ``x_0``, sujo até t, seja ``x_t``.

        Depois do corte de :meth:`predict`, é com este ruído, e não com o da rede, que os dois explicam o mesmo x_t.
        """
        signal, noise = self.rates(self.alpha_bar_at(t, len(x_t)))
        return (x_t - signal * x_0) / noise

    def sample(self, n: int, *, steps: int = STEPS, y: Tensor | None = None, guidance: float = 0.0) -> Tensor:
        """``n`` imagens (n, 1, 28, 28) em [-1, 1], por DDIM de segunda ordem; sem ``y``, cada dígito é sorteado."""
        y = draw_classes(n, class_count(self.network), self) if y is None else y
        x = standard_normal(n, *IMAGE_SHAPE, like=self)
        return sample(self, x, steps=steps, order=2, y=y, guidance=guidance)

    def alpha_bar_at(self, t: Tensor, n: int, *, clean: bool = False) -> Tensor:
        r""":math:`\bar\alpha_t` (n, 1, 1, 1); com ``clean``, aceita t = -1, a imagem limpa, em que vale 1.

        Raises:
            ValueError: ``t`` não são n inteiros na faixa.
        """
        t = checks.index(t, n, -1 if clean else 0, self.steps - 1, "t")
        padded = F.pad(self.alpha_bar, (1, 0), value=1.0)
        return padded[t + 1].view(n, 1, 1, 1)

    def at(self, t: int, n: int) -> Tensor:
        """O mesmo instante para n imagens: (n,)."""
        return torch.full((n,), t, device=self.beta.device)

    @staticmethod
    def rates(alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
        r"""Pesos do sinal e do ruído em x_t: :math:`\sqrt{\bar\alpha}` e :math:`\sqrt{1 - \bar\alpha}`."""
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()


def diffusion_objective(model: Diffusion, batch: LabelledBatch, *, label_dropout: float = 0.1) -> Terms:
    r"""A perda simples: erro quadrático médio da previsão, num instante sorteado por imagem.

    .. math:: E_{t, \epsilon}\,\lVert o_\theta(x_t, t, y) - \text{alvo} \rVert^2 / D

    Args:
        model: o modelo.
        batch: lote com ``x`` (B, 1, 28, 28) em [-1, 1] e, se a rede olha a classe, ``labels`` (B,).
        label_dropout: fração das imagens que a rede vê sem o dígito, para poder amostrar com e sem ele.

    Returns:
        ``{"loss": ()}``, média sobre lote e pixels.

    Raises:
        ValueError: ``label_dropout`` fora de [0, 1].

    Referência:
        Ho, Jain e Abbeel (2020), equação 14.
    """
    x = images_of(batch)
    t = torch.randint(model.steps, (len(x),), device=x.device)
    eps = torch.randn_like(x)
    y = drop_labels(model.network, batch, label_dropout)
    output = model(model.q_sample(x, t, eps), t, y)
    return {"loss": F.mse_loss(output, model.target(x, t, eps))}


# --- a volta ----------------------------------------------------------------------------------------------------------


def timesteps(total: int, steps: int) -> list[tuple[int, int]]:
    """Os pares (t, s) de uma amostragem em ``steps`` saltos: de T - 1 até -1, a imagem limpa, quase iguais.

    Raises:
        ValueError: ``steps`` fora de 1..T.
    """
    steps = checks.integer(steps, "steps", high=total)
    visited = [round((total - 1) * (1 - i / steps) - i / steps) for i in range(steps + 1)]
    return list(pairwise(visited))


def ddpm_step(model: Diffusion, x_t: Tensor, x_0: Tensor, t: Tensor, s: Tensor) -> Tensor:
    r"""Um salto ancestral de t a s: sorteia de :math:`q(x_s|x_t, \hat{x}_0)`; ao chegar a s = -1, sem ruído.

    Referência:
        Ho, Jain e Abbeel (2020), algoritmo 2.
    """
    mean, variance = model.q_posterior(x_0, x_t, t, s)
    return mean + variance.sqrt() * torch.randn_like(x_t)  # em s = -1 a variância é zero


def ddim_step(model: Diffusion, x_t: Tensor, x_0: Tensor, t: Tensor, s: Tensor) -> Tensor:
    r"""Um salto determinístico de t a s: o mesmo :math:`\hat{x}_0` e o mesmo ruído, na dose de s.

    .. math:: x_s = \sqrt{\bar\alpha_s}\,\hat{x}_0 + \sqrt{1 - \bar\alpha_s}\,\hat\epsilon

    Referência:
        Song, Meng e Ermon (2021), *Denoising diffusion implicit models*, equação 12 com σ = 0.
    """
    signal, noise = model.rates(model.alpha_bar_at(s, len(x_t), clean=True))
    return signal * x_0 + noise * model.noise_in(x_t, x_0, t)


# salto(modelo, x_t, x_0, t, s) -> x_s
Jump = Callable[[Diffusion, Tensor, Tensor, Tensor, Tensor], Tensor]


@torch.no_grad()
def chain(
    model: Diffusion,
    x: Tensor,
    *,
    steps: int = STEPS,
    step: Jump = ddim_step,
    order: int = 1,
    y: Tensor | None = None,
    guidance: float = 0.0,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    r"""A volta, salto a salto: em cada um a rede imagina :math:`\hat{x}_0`, e ``step`` anda na direção dela.

    A imagem imaginada muda ao longo do salto. Com ``order=2``, o salto mira a que se espera no meio dele, na reta que
    passa pela estimativa de agora e pela do salto anterior, de :math:`t'` a :math:`t`:

    .. math:: D = \hat{x}_0(x_t) + \frac{\lambda_s - \lambda_t}{2(\lambda_t - \lambda_{t'})}
        \left(\hat{x}_0(x_t) - \hat{x}_0(x_{t'})\right), \qquad \lambda = \log(\bar\alpha / (1 - \bar\alpha))

    Com :func:`ddim_step` é o DPM-Solver++(2M), e com :func:`ddpm_step` o SDE-DPM-Solver++(2M): pelas mesmas avaliações
    da rede, o erro cai com o quadrado do salto, se a estimativa é lisa. No primeiro salto não há anterior e no último,
    até a imagem limpa, λ é infinito: neles mira-se a própria estimativa.

    Args:
        model: o modelo.
        x: ruído inicial (n, 1, 28, 28).
        steps: saltos, de 1 a T.
        step: :func:`ddim_step` ou :func:`ddpm_step`.
        order: 1 ou 2.
        y: (n,) dígitos pedidos; ``None`` amostra sem dígito.
        guidance: força da orientação (:func:`~course_lib.models.unet.guided`).

    Yields:
        ``(s, x_s, x_0)`` depois de cada salto: aonde chegou, a imagem ali e a que a rede imaginou para saltar.

    Raises:
        ValueError: ``steps``, ``order`` ou ``guidance`` fora da faixa.

    Referência:
        Lu et al. (2022), *DPM-Solver++: fast solver for guided sampling*, algoritmo 2; com ruído, seção 5.
    """
    order = checks.integer(order, "order", high=2)
    log_snr = model.alpha_bar.double().logit()
    earlier: tuple[int, Tensor] | None = None
    for now, after in timesteps(model.steps, steps):
        t, s = model.at(now, len(x)), model.at(after, len(x))
        x_0 = aim = model.predict(x, t, y, guidance=guidance)
        if order == 2 and earlier is not None and after >= 0:
            before, x_0_before = earlier
            ahead = (log_snr[after] - log_snr[now]) / (2 * (log_snr[now] - log_snr[before]))
            aim = x_0 + ahead * (x_0 - x_0_before)
        x = step(model, x, aim, t, s)
        earlier = now, x_0
        yield after, x, x_0


def sample(
    model: Diffusion,
    x: Tensor,
    *,
    steps: int = STEPS,
    step: Jump = ddim_step,
    order: int = 1,
    y: Tensor | None = None,
    guidance: float = 0.0,
) -> Tensor:
    """As imagens (n, 1, 28, 28) a que leva o ruído ``x``, em que está todo o acaso do DDIM: o fim da :func:`chain`."""
    for _, x_s, _ in chain(model, x, steps=steps, step=step, order=order, y=y, guidance=guidance):
        x = x_s
    return x


@torch.no_grad()
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
        guidance: força da orientação.

    Raises:
        TypeError, ValueError: ``x`` não é um lote de imagens, ou ``mask`` não é booleano.

    Referência:
        Lugmayr et al. (2022), *RePaint*, algoritmo 1 sem as voltas.
    """
    checks.partly_known(x, mask)
    filled = torch.randn_like(x)
    for now, after in timesteps(model.steps, steps):
        t, s = model.at(now, len(x)), model.at(after, len(x))
        filled = ddpm_step(model, filled, model.predict(filled, t, y, guidance=guidance), t, s)
        known = x if after < 0 else model.q_sample(x, s, torch.randn_like(x))
        filled = torch.where(mask, known, filled)
    return filled
