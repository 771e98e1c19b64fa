"""As curvas de mistura: à mão, a volta nas caudas e onde são planas, e o que elas fazem que um afim não faz."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from course_lib.models.flows import AffineCoupling, Flow
from course_lib.models.mixture_flows import MixtureCDF, MixtureCoupling


def test_mixture_of_one_logistic_by_hand():
    layer = MixtureCDF((1,), (2.0,), 0.5).double()
    x = torch.tensor([[3.0]], dtype=torch.float64)
    y, log_det = layer(x)
    # O logit da logística é uma reta: inclinação 1 / s, mais o piso.
    assert y.item() == pytest.approx((3 - 2) / 0.5 + 0.05 * 3)
    assert log_det.item() == pytest.approx(math.log(2.05))


def test_mixture_has_its_inverse_also_far_in_the_tails_and_where_it_is_flat():
    layer = MixtureCDF((1,), (-6.0, 6.0), 0.05).double()
    x = torch.tensor([[-60.0], [-6.0], [-1.0], [0.0], [4.0], [80.0]], dtype=torch.float64)
    y, log_det = layer(x)
    assert y.isfinite().all()
    assert log_det.isfinite().all()
    torch.testing.assert_close(layer.inverse(y), x, rtol=0, atol=1e-8)


def test_mixture_coupling_by_hand():
    """Uma parcela só: a curva é uma reta de inclinação 1 / s + piso; depois, e^a e t, que a rede também diz."""

    class Fixed(nn.Linear):
        def forward(self, known):
            # Peso, média, log s, log da escala e deslocamento.
            values = torch.tensor([7.0, 2.0, 0.0, 0.0, 5.0], dtype=known.dtype).view(1, 5, 1)
            return values.expand(len(known), -1, -1).reshape(len(known), 5)

    layer = MixtureCoupling([0, 1], Fixed(1, 5, dtype=torch.float64), n_components=1)
    y, log_det = layer(torch.tensor([[9.0, 3.0]], dtype=torch.float64))
    assert y.tolist()[0] == pytest.approx([9, (3 - 2) / 1 + 0.05 * 3 + 5])
    assert log_det.item() == pytest.approx(math.log(1.05))


def test_mixture_coupling_models_two_peaks_where_an_affine_one_cannot():
    """x_b é -2 ou 2, dado x_a: a melhor normal perde, em média, muito mais que a mistura."""
    torch.manual_seed(0)

    def sample(n):
        known = torch.randn(n, 1)
        return torch.cat([known, torch.sign(torch.randn(n, 1)) * 2 + 0.2 * torch.randn(n, 1)], dim=1)

    found = {}
    for name, layer in {
        "afim": AffineCoupling([0, 1], nn.Linear(1, 2)),
        "mistura": MixtureCoupling([0, 1], nn.Linear(1, 14)),
    }.items():
        model = Flow([layer], (2,))
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
        for _ in range(300):
            loss = -model.log_prob(sample(256)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found[name] = loss.item()
    # Entropia exata de x_b: log 2 + entropia da normal de desvio 0,2; a melhor normal tem a entropia de desvio ~2.
    exact = 0.5 * math.log(2 * math.pi * math.e) + math.log(2) + 0.5 * math.log(2 * math.pi * math.e * 0.04)
    assert found["afim"] > exact + 1.2
    assert found["mistura"] < exact + 0.3


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: MixtureCoupling([0, 1, 2], nn.Identity()),
            r"order: veio \[0, 1, 2\]; esperava .* um número par deles",
        ),
        (lambda: MixtureCoupling([0, 1], nn.Identity(), n_components=0), "n_components: veio 0"),
        (lambda: MixtureCoupling([0, 1], nn.Identity(), max_log_scale=math.inf), "max_log_scale: veio inf"),
        (lambda: MixtureCDF((2,), ()), "centers: não veio nada"),
        (lambda: MixtureCDF((2,), (0.0, 1.0), 0.0), r"widths: veio 0\.0; esperava um número maior que 0"),
        (lambda: MixtureCDF((2,), (0.0, 1.0), (1.0, -1.0)), r"widths: veio -1\.0"),
        (lambda: MixtureCDF((2,), (0.0, 1.0), (1.0,)), "widths: veio 1; esperava 2 larguras, uma por centro"),
    ],
)
def test_bad_configuration(build, message):
    with pytest.raises(ValueError, match=message):
        build()
