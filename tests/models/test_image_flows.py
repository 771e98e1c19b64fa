"""Os fluxos de imagens: o tom e a sua caixinha, a dobra, a mistura dos pixels vizinhos, e os bits por dimensão."""

from __future__ import annotations

import math

import pytest
import torch
from bijections import coupling, shaken
from torch import nn

from course_lib import checks
from course_lib.data import Batch
from course_lib.models.flows import Chain, Flow, flow_objective
from course_lib.models.image_flows import (
    ConvConditioner,
    Dequantize,
    FactorOut,
    ImageFlow,
    Logit,
    Squeeze,
    bits_per_dim,
)

# --- as camadas -------------------------------------------------------------------------------------------------------


def test_logit_by_hand():
    y, log_det = Logit(0.1)(torch.tensor([[0.0, 0.5]], dtype=torch.float64))
    assert y[0].tolist() == pytest.approx([math.log(1 / 9), 0])
    assert log_det.item() == pytest.approx(2 * math.log(0.8) - math.log(0.09) - math.log(0.25))


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
    layer = shaken(FactorOut([coupling(0, 1)]))
    x = torch.randn(2, 4, 4, 4)
    z, _ = layer(x)
    assert torch.equal(z[:, :2], x[:, :2])
    assert not torch.equal(z[:, 2:], x[:, 2:])


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


def test_conditioner_sees_the_whole_digit():
    network = shaken(ConvConditioner(4, 8, 8, fold=2), 0.1).double()
    x = torch.randn(1, 4, 14, 14, dtype=torch.float64, requires_grad=True)
    network(x)[0, 0, 7, 7].backward()
    assert (x.grad[0].abs().sum(0) > 0).all()
    assert network(x).shape == (1, 8, 14, 14)


# --- o modelo ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image_flow():
    torch.manual_seed(0)
    return shaken(ImageFlow(hidden_channels=8), 0.02)


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
    checks.levels(images)
    first, again, other = (bits_per_dim(image_flow, batch.x, seed=seed) for seed in (0, 0, 1))
    assert first.shape == (16,)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_weight_of_the_image_flow_learns(batch):
    model = shaken(ImageFlow(hidden_channels=8), 0.01)
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


def test_weights_survive_saving():
    model = shaken(ImageFlow(hidden_channels=8), 0.05)
    other = ImageFlow(hidden_channels=8)
    other.load_state_dict(model.state_dict())
    x = Batch(torch.full((2, 1, 28, 28), -1.0), torch.zeros(2, dtype=torch.int64)).x
    assert torch.equal(bits_per_dim(model, x), bits_per_dim(other, x))


# --- bits por dimensão ------------------------------------------------------------------------------------------------


def test_bits_per_dim_bounds_the_entropy_of_noise():
    """Ruído de tons independentes e uniformes tem 8 bits por dimensão: nenhum modelo pode cobrar menos, em média."""
    noise = torch.randint(256, (64, 1, 28, 28)) / 127.5 - 1
    assert bits_per_dim(ImageFlow(hidden_channels=8), noise).mean() > 8


def test_more_draws_of_the_noise_approach_the_probability_of_the_level():
    alpha = 0.002
    model = Flow([Dequantize(), Logit(alpha)], (1,)).double()
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
        bits_per_dim(ImageFlow(hidden_channels=8), torch.zeros(1, 1, 28, 28), n_samples=0)


# --- o que não serve --------------------------------------------------------------------------------------------------


def test_likelihood_outside_the_support_is_refused(batch):
    model = ImageFlow(hidden_channels=8)
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
        (lambda: ImageFlow(hidden_channels=0), "hidden_channels: veio 0"),
        (lambda: ImageFlow(n_fine=0), "n_fine: veio 0"),
        (lambda: ImageFlow(n_coarse=0), "n_coarse: veio 0"),
        (lambda: ImageFlow(n_components=0), "n_components: veio 0"),
        (
            lambda: Squeeze([])(torch.zeros(1, 1, 7, 7)),
            r"altura e largura de x: veio \(7, 7\); esperava 2 múltiplos de 2",
        ),
        (lambda: Squeeze([]).inverse(torch.zeros(1, 1, 6, 7)), r"altura e largura de x: veio \(6, 7\)"),
        (lambda: FactorOut([])(torch.zeros(1, 3, 4, 4)), "canais de x: veio 3; esperava um inteiro par"),
        (lambda: FactorOut([]).inverse(torch.zeros(1, 1, 4, 4)), "canais de x: veio 1"),
        (lambda: Logit(0.0), "alpha: veio 0.0"),
        (lambda: Logit(0.5), "alpha: veio 0.5"),
        (lambda: Dequantize(0.0), "std: veio 0.0"),
        (lambda: Dequantize(0.6), "std: veio 0.6"),
    ],
)
def test_bad_configuration(build, message):
    with pytest.raises(ValueError, match=message):
        build()
