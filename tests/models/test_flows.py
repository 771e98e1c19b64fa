"""Os fluxos: log-det contra o jacobiano do autograd, volta exata longe da identidade, e o que não tem volta."""

from __future__ import annotations

import math

import pytest
import torch
from bijections import coupling, jacobian, mixture_coupling, shaken
from torch import nn

from course_lib.data import Toy
from course_lib.models.flows import AffineCoupling, Chain, Flow, RealNVP, flow_objective
from course_lib.models.image_flows import FactorOut, Logit, Squeeze
from course_lib.models.mixture_flows import MixtureCDF
from course_lib.training import ObjectiveStep

LAYERS = {
    "logit": (lambda: Logit(0.05), (2, 4, 4)),
    "curva": (lambda: MixtureCDF((2, 4, 4), (-4.0, 0.0, 4.0), (0.5, 2.0, 1.0)), (2, 4, 4)),
    "acoplamento": (lambda: coupling(0, 1), (2, 4, 4)),
    "acoplamento em outra ordem": (lambda: coupling(2, 0, 3, 1), (4, 4, 4)),
    "acoplamento de mistura": (lambda: mixture_coupling(0, 3, 1, 2), (4, 2, 2)),
    "dobra": (lambda: Squeeze([coupling(0, 3, 1, 2)]), (1, 4, 4)),
    "escalas": (lambda: Squeeze([FactorOut([Squeeze([coupling(*range(8))])])]), (1, 4, 4)),
    "pontos": (lambda: RealNVP(n_couplings=3, hidden_dim=8), (2,)),
}


@pytest.fixture(params=LAYERS)
def case(request):
    """Uma camada em float64, longe da identidade, e três exemplos para ela."""
    build, shape = LAYERS[request.param]
    layer = shaken(build()).double()
    x = torch.rand(3, *shape, dtype=torch.float64)
    return layer, x if request.param == "logit" else 4 * x - 2


# --- o contrato de toda camada ----------------------------------------------------------------------------------------


def test_log_det_is_the_jacobian_of_autograd(case):
    layer, x = case
    y, log_det = layer(x)
    assert y.shape == x.shape
    assert log_det.shape == (3,)
    torch.testing.assert_close(log_det, jacobian(layer, x), rtol=0, atol=1e-6)


def test_inverse_undoes_forward_away_from_the_identity(case):
    layer, x = case
    y, _ = layer(x)
    assert not torch.allclose(y, x, atol=1e-2)
    torch.testing.assert_close(layer.inverse(y), x, rtol=0, atol=1e-9)
    z = 2 * torch.randn_like(x)
    if not isinstance(layer, Logit):
        torch.testing.assert_close(layer(layer.inverse(z))[0], z, rtol=0, atol=1e-8)


def test_examples_do_not_see_each_other(case):
    layer, x = case
    y, log_det = layer(x)
    alone, log_det_alone = layer(x[1:2])
    torch.testing.assert_close(y[1:2], alone)
    torch.testing.assert_close(log_det[1:2], log_det_alone)


def test_chain_sums_the_terms():
    layers = [shaken(layer).double() for layer in (coupling(0, 1), MixtureCDF((2, 4, 4)), coupling(1, 0))]
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    first, a = layers[0](x)
    second, b = layers[1](first)
    third, c = layers[2](second)
    z, log_det = Chain(layers)(x)
    torch.testing.assert_close(z, third)
    torch.testing.assert_close(log_det, a + b + c)


# --- o acoplamento ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [coupling, mixture_coupling])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 3, 0, 1), (3, 0, 2, 1)])
def test_coupling_keeps_what_it_sees_and_moves_the_rest_by_it_alone(build, order):
    layer = shaken(build(*order), 1.0).double()
    x = torch.randn(1, 4, 2, 2, dtype=torch.float64)
    y, _ = layer(x)
    seen = torch.zeros(4, 2, 2, dtype=torch.bool)
    seen[list(order[:2])] = True
    assert torch.equal(y[0, seen], x[0, seen])
    assert (y[0, ~seen] != x[0, ~seen]).all()
    D = x.numel()
    J = torch.func.jacrev(lambda one: layer(one.view_as(x))[0].flatten())(x.flatten()).view(D, D)
    hidden = ~seen.flatten()
    # Triangular em blocos: entre as dimensões transformadas, cada uma só depende de si.
    block = J[hidden][:, hidden]
    assert torch.equal(block, block.diag().diag())
    assert J[hidden][:, ~hidden].abs().max() > 1e-3


def test_coupling_by_hand():
    """O exemplo do capítulo: s = x_a / 2 e t = x_a², com e sem as metades trocadas."""

    class ByHand(nn.Linear):
        def forward(self, x_a):
            return torch.cat([0.5 * x_a, x_a**2], dim=1)

    limit = 1e6  # tão longe que não limita nada
    for order, x in {(0, 1): [2.0, 3.0], (1, 0): [3.0, 2.0]}.items():
        layer = AffineCoupling(order, ByHand(1, 2, dtype=torch.float64), max_log_scale=limit)
        y, log_det = layer(torch.tensor([x], dtype=torch.float64))
        assert [y[0, i].item() for i in order] == pytest.approx([2, 3 * math.e + 4])
        assert log_det.item() == pytest.approx(1)


def test_coupling_scale_is_bounded_whatever_the_network_says():
    layer = AffineCoupling([0, 1], nn.Linear(1, 2), max_log_scale=1.5)
    with torch.no_grad():
        layer.network.weight.fill_(1e4)
    _, log_det = layer(torch.tensor([[3.0, 1.0], [-3.0, 1.0]]))
    torch.testing.assert_close(log_det, torch.tensor([1.5, -1.5]))


# --- o modelo ---------------------------------------------------------------------------------------------------------


def test_density_of_points_integrates_to_one():
    model = shaken(RealNVP(n_couplings=4, hidden_dim=16), 0.1).double()
    axis = torch.linspace(-9, 9, 226, dtype=torch.float64)
    with torch.no_grad():
        log_p = model.log_prob(torch.cartesian_prod(axis, axis))
        assert (log_p.exp().sum() * 0.08**2).item() == pytest.approx(1, abs=1e-3)
        assert not torch.allclose(log_p, RealNVP().double().log_prob(torch.cartesian_prod(axis, axis)))


def test_each_coordinate_of_a_point_flow_depends_on_both():
    """Sem alternar as metades, uma das coordenadas passaria intacta pelo fluxo inteiro."""
    model = shaken(RealNVP(n_couplings=2, hidden_dim=8)).double()
    J = torch.func.jacrev(lambda one: model(one[None])[0][0])(torch.randn(2, dtype=torch.float64))
    assert J.abs().min() > 1e-6


def test_log_prob_is_the_normal_plus_the_log_det():
    model = shaken(RealNVP()).double()
    x = torch.randn(5, 2, dtype=torch.float64)
    z, log_det = model(x)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(model.log_prob(x), normal + log_det)


def test_samples_are_the_inverse_of_normal_noise():
    model = shaken(RealNVP(), 0.1)
    torch.manual_seed(4)
    x = model.sample(4_000)
    torch.manual_seed(4)
    torch.testing.assert_close(x, model.inverse(torch.randn(4_000, 2)))
    z, _ = model(x)
    assert z.mean().item() == pytest.approx(0, abs=5 / math.sqrt(8_000))
    assert z.var().item() == pytest.approx(1, abs=5 * math.sqrt(2 / 8_000))
    assert not x.requires_grad
    cold = model.sample(3, temperature=0)
    torch.testing.assert_close(cold, model.inverse(torch.zeros(3, 2)))
    assert torch.equal(cold[0], cold[2])


def test_objective_is_the_mean_per_dimension():
    model = shaken(RealNVP())
    batch = Toy("luas").sample(32, seed=0)
    terms = flow_objective(model, batch)
    torch.testing.assert_close(terms["loss"], -model.log_prob(batch.x).mean() / 2)
    torch.testing.assert_close(terms["bits_per_dim"], terms["loss"] / math.log(2))


def test_learns_a_ring():
    toy, model = Toy("anel"), RealNVP(n_couplings=4, hidden_dim=32)
    step = ObjectiveStep(model, flow_objective, torch.optim.Adam(model.parameters(), lr=5e-3))
    before = flow_objective(model, toy.sample(512, seed=9))["loss"].item()
    for batch in toy.batches(128, 120):
        step(batch)
    test = toy.sample(512, seed=9)
    after = flow_objective(model, test)["loss"].item()
    assert after < before - 0.2
    # Nenhum modelo passa da densidade verdadeira nos dados que ela gerou.
    assert after > -toy.log_prob(test.x).mean().item() / 2 - 0.05


# --- o que não serve --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RealNVP(3), "dim: veio 3; esperava um inteiro par ≥ 2"),
        (lambda: RealNVP(n_couplings=0), "n_couplings: veio 0"),
        (lambda: RealNVP(hidden_dim=0), r"larguras das camadas: veio \(1, 0, 0, 2\)"),
        (lambda: Flow([], (2,)), "layers: não veio nada"),
        (
            lambda: AffineCoupling([0, 0, 1, 2], nn.Linear(2, 4)),
            r"order: veio \[0, 0, 1, 2\]; esperava cada número de 0 em diante, uma vez, um número par deles",
        ),
        (lambda: AffineCoupling([1, 2], nn.Linear(1, 2)), "order: veio"),
        (lambda: AffineCoupling([0, 1, 2], nn.Linear(1, 2)), r"order: veio \[0, 1, 2\]"),
        (lambda: AffineCoupling([], nn.Linear(1, 2)), r"order: veio \[\]"),
        (lambda: AffineCoupling([0, 1], nn.Linear(1, 2), max_log_scale=0.0), "max_log_scale: veio 0.0"),
        (lambda: AffineCoupling([0, 1], nn.Linear(1, 2), max_log_scale=math.inf), "max_log_scale: veio inf"),
        (lambda: AffineCoupling([0, 1], nn.Linear(1, 2))(torch.zeros(1, 3)), r"x: .*\(1, 3\); esperava \(B, 2, …\)"),
        (lambda: AffineCoupling([0, 1], nn.Linear(1, 2)).inverse(torch.zeros(1, 3)), r"y: .*\(1, 3\)"),
        (lambda: RealNVP().sample(0), "n: veio 0"),
        (lambda: RealNVP().sample(2, temperature=-1.0), "temperature: veio -1.0"),
        (lambda: RealNVP()(torch.zeros(3, 4)), r"x: veio um tensor de forma \(3, 4\); esperava \(B, 2\)"),
        (lambda: RealNVP().inverse(torch.zeros(2)), r"z: veio um tensor de forma \(2,\)"),
    ],
)
def test_bad_configuration(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_another_type_is_refused():
    with pytest.raises(TypeError, match=r"x: veio torch\.float64; esperava um tensor torch\.float32"):
        RealNVP()(torch.zeros(3, 2, dtype=torch.float64))
