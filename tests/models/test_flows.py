"""Os fluxos: log-det contra o jacobiano do autograd, volta exata longe da identidade, e o que não tem volta."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from course_lib import runtime
from course_lib.data import Batch, Toy
from course_lib.models.flows import (
    AffineCoupling,
    Chain,
    ConvConditioner,
    Dequantize,
    FactorOut,
    Logit,
    MixtureCDF,
    MixtureCoupling,
    Permutation,
    RealNVP,
    Squeeze,
    bits_per_dim,
    channel_mask,
    checkerboard_mask,
    flow_objective,
)
from course_lib.training import ObjectiveStep


def shaken(model, size=0.3):
    """O modelo com pesos sorteados: um acoplamento recém-criado é a identidade, e nela todo erro se esconde."""
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(size * torch.randn_like(weights))
    return model


def coupling(mask):
    """Acoplamento sobre (C, H, W) com uma rede pequena."""
    channels = mask.shape[0]
    return AffineCoupling(
        mask, nn.Sequential(nn.Conv2d(channels, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 2 * channels, 1))
    )


def mixture_coupling(channels, n_components=3):
    half = channels // 2
    network = nn.Sequential(nn.Conv2d(half, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, (3 * n_components + 2) * half, 1))
    return MixtureCoupling(channels, network, n_components=n_components)


HALF = channel_mask(2, 2)
LAYERS = {
    "logit": (lambda: Logit(0.05), (2, 4, 4)),
    "curva": (lambda: MixtureCDF((2, 4, 4), (-4.0, 0.0, 4.0), (0.5, 2.0, 1.0)), (2, 4, 4)),
    "acoplamento por canais": (lambda: coupling(HALF), (2, 4, 4)),
    "acoplamento em xadrez": (lambda: coupling(1 - checkerboard_mask(4, 4)), (1, 4, 4)),
    "acoplamento de mistura": (lambda: mixture_coupling(4), (4, 2, 2)),
    "permutação": (lambda: Permutation([2, 0, 3, 1]), (4, 2, 2)),
    "dobra": (lambda: Squeeze([coupling(channel_mask(4, 2))]), (1, 4, 4)),
    "escalas": (lambda: Squeeze([FactorOut([Squeeze([coupling(channel_mask(8, 2))])])]), (1, 4, 4)),
    "pontos": (lambda: RealNVP.for_points(n_couplings=3, hidden_dim=8), (2,)),
}


def jacobian(layer, x):
    """log|det J| de cada exemplo, pelo autograd, sobre todas as dimensões."""
    D = x[0].numel()

    def flat(one):
        return layer(one.view(1, *x.shape[1:]))[0].flatten()

    return torch.stack([torch.func.jacrev(flat)(one.flatten()).view(D, D).slogdet()[1] for one in x])


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
    layers = [shaken(coupling(HALF)).double(), Permutation([1, 0]), shaken(coupling(HALF)).double()]
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    first, a = layers[0](x)
    second, b = layers[2](layers[1](first)[0])
    z, log_det = Chain(layers)(x)
    torch.testing.assert_close(z, second)
    torch.testing.assert_close(log_det, a + b)


# --- cada camada ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [HALF, 1 - HALF, checkerboard_mask(4, 4).repeat(2, 1, 1)])
def test_coupling_keeps_what_it_sees_and_moves_the_rest_by_it_alone(mask):
    layer = shaken(coupling(mask), 1.0).double()
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64)
    y, _ = layer(x)
    seen = mask.expand(2, 4, 4).bool()
    assert torch.equal(y[0, seen], x[0, seen])
    assert (y[0, ~seen] != x[0, ~seen]).all()
    D = x.numel()
    J = torch.func.jacrev(lambda one: layer(one.view_as(x))[0].flatten())(x.flatten()).view(D, D)
    hidden = ~seen.flatten()
    # Triangular em blocos: entre as dimensões transformadas, cada uma só depende de si.
    block = J[hidden][:, hidden]
    assert torch.equal(block, block.diag().diag())
    assert J[hidden][:, ~hidden].abs().max() > 1e-3


def test_coupling_scale_is_bounded_whatever_the_network_says():
    layer = AffineCoupling(channel_mask(2), nn.Linear(2, 4), max_log_scale=1.5)
    with torch.no_grad():
        layer.network.weight.fill_(1e4)
    _, log_det = layer(torch.tensor([[3.0, 1.0], [-3.0, 1.0]]))
    torch.testing.assert_close(log_det, torch.tensor([1.5, -1.5]))


def test_mixture_coupling_by_hand():
    """Uma parcela só: a curva é uma reta de inclinação 1 / s + piso; depois, e^a e t, que a rede também diz."""

    class Fixed(nn.Module):
        def forward(self, known):
            # Peso, média, log s, log da escala e deslocamento.
            values = torch.tensor([7.0, 2.0, 0.0, 0.0, 5.0], dtype=known.dtype).view(1, 5, 1)
            return values.expand(len(known), -1, -1).reshape(len(known), 5)

    layer = MixtureCoupling(2, Fixed(), n_components=1)
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
        "afim": AffineCoupling(channel_mask(2), nn.Linear(2, 4)),
        "mistura": MixtureCoupling(2, nn.Linear(1, 14)),
    }.items():
        model = RealNVP([layer], (2,))
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


def test_masks():
    assert channel_mask(4).tolist() == [1, 1, 0, 0]
    assert channel_mask(4, 2).shape == (4, 1, 1)
    assert checkerboard_mask(2, 3).tolist() == [[[1, 0, 1], [0, 1, 0]]]


def test_logit_by_hand():
    y, log_det = Logit(0.1)(torch.tensor([[0.0, 0.5]], dtype=torch.float64))
    assert y[0].tolist() == pytest.approx([math.log(1 / 9), 0])
    assert log_det.item() == pytest.approx(2 * math.log(0.8) - math.log(0.09) - math.log(0.25))


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


def test_squeeze_puts_each_square_in_the_channels():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x, x.new_zeros(len(x))

    x = torch.arange(16.0).view(1, 1, 4, 4)
    Squeeze([Spy()])(x)
    assert seen[0].shape == (1, 4, 2, 2)
    assert seen[0][0, :, 0, 0].tolist() == [0, 1, 4, 5]


def test_factor_out_leaves_half_alone():
    layer = shaken(FactorOut([coupling(HALF)]))
    x = torch.randn(2, 4, 4, 4)
    z, _ = layer(x)
    assert torch.equal(z[:, :2], x[:, :2])
    assert not torch.equal(z[:, 2:], x[:, 2:])


# --- o modelo ---------------------------------------------------------------------------------------------------------


def test_density_of_points_integrates_to_one():
    model = shaken(RealNVP.for_points(n_couplings=4, hidden_dim=16), 0.1).double()
    axis = torch.linspace(-9, 9, 226, dtype=torch.float64)
    with torch.no_grad():
        log_p = model.log_prob(torch.cartesian_prod(axis, axis))
        assert (log_p.exp().sum() * 0.08**2).item() == pytest.approx(1, abs=1e-3)
        assert not torch.allclose(log_p, RealNVP.for_points().double().log_prob(torch.cartesian_prod(axis, axis)))


def test_each_coordinate_of_a_point_flow_depends_on_both():
    """Sem alternar as máscaras, uma das coordenadas passaria intacta pelo fluxo inteiro."""
    model = shaken(RealNVP.for_points(n_couplings=2, hidden_dim=8)).double()
    J = torch.func.jacrev(lambda one: model(one[None])[0][0])(torch.randn(2, dtype=torch.float64))
    assert J.abs().min() > 1e-6


def test_log_prob_is_the_normal_plus_the_log_det():
    model = shaken(RealNVP.for_points()).double()
    x = torch.randn(5, 2, dtype=torch.float64)
    z, log_det = model(x)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(model.log_prob(x), normal + log_det)


def test_samples_are_the_inverse_of_normal_noise():
    model = shaken(RealNVP.for_points(), 0.1)
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


@pytest.fixture(scope="module")
def image_flow():
    torch.manual_seed(0)
    return shaken(RealNVP.for_images(hidden_channels=8), 0.02)


def test_image_flow_inverse_on_real_images(image_flow, batch):
    u, _ = image_flow.layers[0](batch.x)
    inside = Chain(list(image_flow.layers)[1:])
    with torch.no_grad():
        z, log_det = inside(u)
        assert (z - Logit(0.002)(u)[0]).abs().max() > 0.5
        torch.testing.assert_close(inside.inverse(z), u, rtol=0, atol=1e-4)
        # E a imagem volta tom por tom: a caixinha é muito mais larga que o erro da volta.
        torch.testing.assert_close(image_flow.inverse(image_flow(batch.x)[0]), batch.x, rtol=0, atol=1e-6)
    assert log_det.shape == (16,)


def test_image_flow_moves_every_pixel_with_its_neighbours(image_flow, batch):
    """Nenhum pixel fica de fora: cada z depende de pixels que não são o seu."""
    inside = Chain(list(image_flow.layers)[1:])
    u, _ = image_flow.layers[0](batch.x[:1])
    direction = 1e-2 * torch.randn(8, *u.shape)
    changed = torch.zeros(28, 28, dtype=torch.bool)
    with torch.no_grad():
        z, _ = inside(u)
        for row in (0, 1):
            for column in (0, 1):
                d = direction.clone()
                d[..., row::2, column::2] = 0  # estes ficam; os vizinhos mudam
                moved = torch.stack([inside((u + one).clamp(0, 1))[0] - z for one in d]).abs().amax((0, 1, 2))
                changed[row::2, column::2] = moved[row::2, column::2] > 0
    # Quem passou intacto por todos os acoplamentos não vê vizinho nenhum.
    assert changed.all()


def test_images_have_256_levels_and_the_noise_is_the_only_chance(image_flow, batch):
    images = image_flow.sample(3)
    assert images.shape == (3, 1, 28, 28)
    runtime.require_levels(images)
    first, again, other = (bits_per_dim(image_flow, batch.x, seed=seed) for seed in (0, 0, 1))
    assert first.shape == (16,)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_dequantized_uniform_is_eight_bits():
    """Um modelo uniforme em (0, 1) dá a cada uma das 256 cores 1/256: 8 bits por dimensão, nem mais nem menos."""
    x = torch.randint(256, (4, 1, 2, 2)).double() / 127.5 - 1
    u, log_det = Dequantize()(x)
    assert u.min() > 0
    assert u.max() < 1
    assert (-log_det / (4 * math.log(2))).tolist() == pytest.approx([8.0] * 4)
    torch.testing.assert_close(Dequantize().inverse(u), x)
    torch.testing.assert_close(Dequantize().inverse(torch.tensor([0.0, 1.0])), torch.tensor([-1.0, 1.0]))


def test_normal_noise_stays_in_its_box_with_its_density():
    """O ruído e o seu log q batem com a normal cortada, e o tom volta de qualquer ponto da caixinha."""
    std = 1 / 6
    x = (torch.arange(256, dtype=torch.float64).repeat(400) / 127.5 - 1).view(-1, 1, 16, 16)
    u, log_det = Dequantize(std)(x)
    torch.testing.assert_close(Dequantize(std).inverse(u), x)
    noise = u * 256 - (x + 1) * 127.5
    assert noise.mean().item() == pytest.approx(0.5, abs=0.003)
    normal = torch.distributions.Normal(torch.tensor(0.5, dtype=torch.float64), std)
    inside = normal.cdf(torch.tensor(1.0)) - normal.cdf(torch.tensor(0.0))
    log_q = (normal.log_prob(noise) - inside.log()).flatten(1).sum(1)
    torch.testing.assert_close(log_det, -256 * math.log(256) - log_q)
    # E q integra 1 na caixinha.
    grid = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    assert (normal.log_prob(grid) - inside.log()).exp().mean().item() == pytest.approx(1)


def test_what_a_normal_loses_with_each_noise():
    """Um tom só, modelado pela melhor normal: o ruído uniforme custa ½ log₂(2πe / 12) bits; o normal, quase nada."""
    x = torch.full((20_000, 1, 1, 1), 25 / 127.5 - 1, dtype=torch.float64)
    lost = {}
    for name, layer in {"uniforme": Dequantize(), "normal": Dequantize(1 / 6)}.items():
        u, log_det = layer(x)
        best = torch.distributions.Normal(u.mean(), u.std())
        bound = best.log_prob(u).flatten() + log_det
        lost[name] = -bound.mean().item() / math.log(2)  # o tom é certo: a probabilidade exata seria 1, zero bits
    assert lost["uniforme"] == pytest.approx(0.5 * math.log2(2 * math.pi * math.e / 12), abs=0.02)
    assert 0 <= lost["normal"] < 0.02


def test_bits_per_dim_bounds_the_entropy_of_noise():
    """Ruído de tons independentes e uniformes tem 8 bits por dimensão: nenhum modelo pode cobrar menos, em média."""
    noise = torch.randint(256, (64, 1, 28, 28)) / 127.5 - 1
    assert bits_per_dim(RealNVP.for_images(hidden_channels=8), noise).mean() > 8


def test_objective_is_the_mean_per_dimension():
    model = shaken(RealNVP.for_points())
    batch = Toy("luas").sample(32, seed=0)
    terms = flow_objective(model, batch)
    torch.testing.assert_close(terms["loss"], -model.log_prob(batch.x).mean() / 2)
    torch.testing.assert_close(terms["bits_per_dim"], terms["loss"] / math.log(2))


def test_learns_a_ring():
    toy, model = Toy("anel"), RealNVP.for_points(n_couplings=4, hidden_dim=32)
    step = ObjectiveStep(model, flow_objective, torch.optim.Adam(model.parameters(), lr=5e-3))
    before = flow_objective(model, toy.sample(512, seed=9))["loss"].item()
    for batch in toy.batches(128, 120):
        step(batch)
    test = toy.sample(512, seed=9)
    after = flow_objective(model, test)["loss"].item()
    assert after < before - 0.2
    # Nenhum modelo passa da densidade verdadeira nos dados que ela gerou.
    assert after > -toy.log_prob(test.x).mean().item() / 2 - 0.05


def test_every_weight_of_the_image_flow_learns(batch):
    model = shaken(RealNVP.for_images(hidden_channels=8), 0.01)
    flow_objective(model, batch)["loss"].backward()
    for name, weights in model.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.abs().max() > 0, name


def test_mixed_precision_stays_close_and_keeps_the_sums_in_float32(image_flow, batch):
    with torch.no_grad():
        exact = bits_per_dim(image_flow, batch.x)
        with torch.autocast("cpu", torch.bfloat16):
            z, log_det = image_flow(batch.x)
            fast = bits_per_dim(image_flow, batch.x)
    assert z.dtype == log_det.dtype == torch.float32
    torch.testing.assert_close(fast, exact, rtol=0.02, atol=0)


# --- o que não serve --------------------------------------------------------------------------------------------------


def test_likelihood_outside_the_support_is_refused(batch):
    model = RealNVP.for_images(hidden_channels=8)
    with pytest.raises(ValueError, match="entre dois dos 256 tons"):
        model.log_prob(batch.x * 0.999)
    with pytest.raises(ValueError, match="entre dois dos 256 tons"):
        bits_per_dim(model, (batch.x + 0.1 * torch.rand_like(batch.x)).clamp(-1, 1))
    with pytest.raises(ValueError, match=r"os valores vão de .* a 2"):
        model.log_prob(batch.x + 1)
    with pytest.raises(ValueError, match="esperava números finitos"):
        model.log_prob(batch.x.clone().fill_(math.nan))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: channel_mask(3), "n: veio 3; esperava um número par"),
        (lambda: RealNVP.for_points(3), "n: veio 3; esperava um número par"),
        (lambda: RealNVP.for_points(n_couplings=0), "n_couplings: veio 0"),
        (lambda: RealNVP.for_images(n_fine=0), "n_fine: veio 0"),
        (lambda: RealNVP([], (2,)), "layers: não veio nenhuma camada"),
        (lambda: AffineCoupling(torch.ones(2), nn.Linear(2, 4)), "mask: esperava zeros e uns"),
        (lambda: AffineCoupling(torch.zeros(2), nn.Linear(2, 4)), "mask: esperava zeros e uns"),
        (lambda: AffineCoupling(torch.tensor([0.5, 1.0]), nn.Linear(2, 4)), "mask: esperava zeros e uns"),
        (lambda: AffineCoupling(channel_mask(2), nn.Linear(2, 4), max_log_scale=0.0), "max_log_scale: veio 0.0"),
        (lambda: AffineCoupling(channel_mask(2), nn.Linear(2, 4), max_log_scale=math.inf), "max_log_scale: veio inf"),
        (lambda: MixtureCoupling(3, nn.Identity()), "n: veio 3; esperava um número par"),
        (lambda: MixtureCoupling(4, nn.Identity(), n_components=0), "n_components: veio 0"),
        (lambda: MixtureCoupling(4, nn.Identity(), max_log_scale=math.inf), "max_log_scale: veio inf"),
        (lambda: RealNVP.for_images(n_components=0), "n_components: veio 0"),
        (lambda: Permutation([0, 0, 1]), r"order: veio \[0, 0, 1\]; esperava cada número de 0 a 2"),
        (lambda: Permutation([1, 2]), "order: veio"),
        (lambda: Permutation([0, 1])(torch.zeros(1, 3)), r"forma \(1, 3\); esperava \(B, 2, …\)"),
        (lambda: Squeeze([])(torch.zeros(1, 1, 7, 7)), r"forma \(1, 1, 7, 7\); só .* pares se dobra"),
        (lambda: Squeeze([]).inverse(torch.zeros(1, 1, 6, 7)), r"pares se dobra"),
        (lambda: FactorOut([])(torch.zeros(1, 3, 4, 4)), "número ímpar de canais"),
        (lambda: FactorOut([]).inverse(torch.zeros(1, 1, 4, 4)), "número ímpar de canais"),
        (lambda: Logit(0.0), "alpha: veio 0.0"),
        (lambda: Logit(0.5), "alpha: veio 0.5"),
        (lambda: Dequantize(0.0), "std: veio 0.0"),
        (lambda: Dequantize(0.6), "std: veio 0.6"),
        (lambda: MixtureCDF((2,), ()), "centers: não veio nenhum centro"),
        (lambda: MixtureCDF((2,), (0.0, 1.0), 0.0), r"widths: veio \[0.0, 0.0\]"),
        (lambda: MixtureCDF((2,), (0.0, 1.0), (1.0,)), r"widths: veio \[1.0\]; esperava .* 2, como centers"),
        (lambda: RealNVP.for_points().sample(0), "n: veio 0"),
        (lambda: RealNVP.for_points().sample(2, temperature=-1.0), "temperature: veio -1.0"),
        (lambda: RealNVP.for_points()(torch.zeros(3, 4)), r"x: veio forma \(3, 4\); esperava \(B, 2\)"),
        (lambda: RealNVP.for_points().inverse(torch.zeros(2)), r"z: veio forma \(2,\)"),
    ],
)
def test_bad_configuration(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_another_type_is_refused():
    with pytest.raises(TypeError, match=r"x: veio torch\.float64; esperava um tensor torch\.float32"):
        RealNVP.for_points()(torch.zeros(3, 2, dtype=torch.float64))


def test_conditioner_sees_the_whole_digit():
    network = shaken(ConvConditioner(4, 8, 8, fold=2), 0.1).double()
    x = torch.randn(1, 4, 14, 14, dtype=torch.float64, requires_grad=True)
    network(x)[0, 0, 7, 7].backward()
    assert (x.grad[0].abs().sum(0) > 0).all()
    assert network(x).shape == (1, 8, 14, 14)


def test_weights_survive_saving():
    model = shaken(RealNVP.for_images(hidden_channels=8), 0.05)
    other = RealNVP.for_images(hidden_channels=8)
    other.load_state_dict(model.state_dict())
    x = Batch(torch.full((2, 1, 28, 28), -1.0), torch.zeros(2, dtype=torch.int64)).x
    assert torch.equal(bits_per_dim(model, x), bits_per_dim(other, x))


def test_more_draws_of_the_noise_approach_the_probability_of_the_level():
    alpha = 0.002
    model = RealNVP([Dequantize(), Logit(alpha)], (1,)).double()
    x = torch.tensor([[-1.0]], dtype=torch.float64)  # o tom 0, em que a densidade mais varia dentro da caixinha
    edges, _ = Logit(alpha)(torch.tensor([[0.0], [1 / 256]], dtype=torch.float64))
    below, above = torch.special.ndtr(edges.flatten())
    exact = -(above - below).log2().item()
    images = x.repeat(400, 1)
    loose, tight, tighter = (bits_per_dim(model, images, n_samples=k).mean().item() for k in (1, 8, 2_000))
    assert loose > tight + 0.05 > tighter + 0.05
    assert tighter == pytest.approx(exact, abs=0.01)


def test_number_of_draws_must_be_positive():
    with pytest.raises(ValueError, match="n_samples: veio 0"):
        bits_per_dim(RealNVP.for_images(hidden_channels=8), torch.zeros(1, 1, 28, 28), n_samples=0)
