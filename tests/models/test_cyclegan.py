"""A CycleGAN: redes contra contas à mão, o reservatório, as perdas, e o passo contra a sua escrita mais direta."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.data import UnpairedBatch
from course_lib.models.cyclegan import (
    CycleGANStep,
    ImagePool,
    LinearDecay,
    PatchDiscriminator,
    ResnetBlock,
    ResnetGenerator,
    cycle_loss,
    discriminator_loss,
    generator_loss,
    identity_loss,
)

NETWORKS = ("gen_xy", "gen_yx", "disc_x", "disc_y")


@pytest.fixture
def pair(digits) -> UnpairedBatch:
    """6 dígitos e outros 6, estes em negativo, em float64."""
    x, y = digits.images[:12].double().chunk(2)
    return UnpairedBatch(x, -y)


def small_step(*, gen_lr: float = 1e-3, disc_lr: float = 1e-3, seed: int = 4, **options) -> CycleGANStep:
    torch.manual_seed(seed)
    gens = [ResnetGenerator(width=4, n_blocks=1).double() for _ in range(2)]
    discs = [PatchDiscriminator(width=4).double() for _ in range(2)]
    # Com o desvio de 0,02 do artigo, redes deste tamanho devolvem quase o mesmo para tudo: o teste veria pouco.
    for network in (*gens, *discs):
        for weights in network.parameters():
            if weights.ndim == 4:
                nn.init.normal_(weights, 0, 0.2)
    gen_optimizer = torch.optim.Adam(nn.ModuleList(gens).parameters(), lr=gen_lr)
    disc_optimizer = torch.optim.Adam(nn.ModuleList(discs).parameters(), lr=disc_lr)
    return CycleGANStep(*gens, *discs, gen_optimizer, disc_optimizer, **options)


# --- as redes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (2, 1, 28, 28)),
        ({"fold": 2, "width": 8}, (1, 1, 28, 28)),
        ({"image_channels": 3, "width": 4, "fold": 1, "n_downs": 2, "n_blocks": 1}, (2, 3, 32, 48)),
        ({"image_channels": 3, "width": 4, "fold": 2, "n_downs": 1, "n_blocks": 1}, (1, 3, 20, 20)),
    ],
)
def test_generator_keeps_the_shape_and_the_range(options, shape):
    generator = ResnetGenerator(**options)
    y = generator(torch.rand(shape) * 2 - 1)
    assert y.shape == shape
    nn.init.normal_(generator.head.weight, 0, 10.0)
    assert 0.9 < generator(torch.rand(shape) * 2 - 1).abs().max() <= 1


def test_generator_of_the_paper():
    """c7s1-64, d128, d256, nove R256, u128, u64, c7s1-3 (apêndice 7.2)."""
    generator = ResnetGenerator(3, 64, fold=1, n_downs=2, n_blocks=9)
    convs = [layer for layer in generator.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    found = [(conv.kernel_size[0], conv.stride[0], conv.in_channels, conv.out_channels) for conv in convs]
    blocks = [(3, 1, 256, 256)] * 18
    assert found == [
        *[(7, 1, 3, 64), (3, 2, 64, 128), (3, 2, 128, 256), *blocks],
        *[(3, 2, 256, 128), (3, 2, 128, 64), (7, 1, 64, 3)],
    ]


def test_residual_block_by_hand():
    block, h = ResnetBlock(3).double(), torch.randn(2, 3, 5, 5, dtype=torch.float64)
    first, norm_first, _, second, norm_second = block.body
    with torch.no_grad():
        for weights in block.parameters():
            weights.normal_()

    def conv(value, layer, norm):
        value = F.conv2d(F.pad(value, (1, 1, 1, 1), mode="reflect"), layer.weight)
        mean, var = value.mean((2, 3), keepdim=True), value.var((2, 3), keepdim=True, unbiased=False)
        value = (value - mean) / (var + 1e-5).sqrt()
        return value * norm.weight[:, None, None] + norm.bias[:, None, None]

    expected = h + conv(conv(h, first, norm_first).relu(), second, norm_second)
    torch.testing.assert_close(block(h), expected)


def test_images_of_a_batch_do_not_see_each_other():
    """A normalização é por instância: traduzir uma a uma dá o mesmo que traduzir todas juntas."""
    for network in (ResnetGenerator(width=8).double(), PatchDiscriminator(width=4).double()):
        x = torch.rand(3, 1, 28, 28, dtype=torch.float64) * 2 - 1
        torch.testing.assert_close(network(x), torch.cat([network(one) for one in x.split(1)]))


@pytest.mark.parametrize(("n_downs", "field"), [(1, 16), (2, 34), (3, 70)])
def test_each_logit_sees_only_its_patch(n_downs, field):
    side = 128
    disc = PatchDiscriminator(width=2, n_downs=n_downs).double()
    # A normalização espalha a média da imagem; sem ela, sobra o que as convoluções alcançam.
    disc.net = nn.Sequential(*[nn.Identity() if isinstance(layer, nn.InstanceNorm2d) else layer for layer in disc.net])
    for weights in disc.parameters():
        nn.init.uniform_(weights, 0.1, 1.0)
    x = torch.zeros(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    logits = disc(x)
    (grad,) = torch.autograd.grad(logits[0, logits.shape[1] // 2, logits.shape[2] // 2], x)
    rows = grad[0, 0].abs().sum(1).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == field
    assert rows[0] > 0
    assert rows[-1] < side - 1


def test_discriminator_returns_a_map_of_logits():
    assert PatchDiscriminator()(torch.zeros(3, 1, 28, 28)).shape == (3, 12, 12)
    assert PatchDiscriminator(3, 4, n_downs=3)(torch.zeros(2, 3, 256, 256)).shape == (2, 30, 30)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ResnetGenerator(0), "image_channels: veio 0"),
        (lambda: ResnetGenerator(1, 2.5), "width: veio 2.5"),
        (lambda: ResnetGenerator(n_blocks=0), "n_blocks: veio 0"),
        (lambda: ResnetGenerator(fold=0), "fold: veio 0"),
        (lambda: ResnetGenerator(n_downs=-1), "n_downs: veio -1"),
        (lambda: PatchDiscriminator(width=0), "width: veio 0"),
        (lambda: PatchDiscriminator(n_downs=0), "n_downs: veio 0"),
        (lambda: ImagePool(-1), "capacity: veio -1"),
        (lambda: ImagePool(2.5), "capacity: veio 2.5"),
        (lambda: small_step(cycle_weight=-1), "cycle_weight: veio -1"),
        (lambda: small_step(identity_weight=float("nan")), "identity_weight: veio nan"),
    ],
)
def test_bad_sizes(build, message):
    with pytest.raises(ValueError, match=f"{message}; esperava"):
        build()


@pytest.mark.parametrize("build", [ResnetGenerator, PatchDiscriminator])
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (torch.zeros(2, 3, 28, 28), ValueError, r"\(2, 3, 28, 28\); esperava \(B, 1, 28, 28\)"),
        (torch.zeros(2, 1, 27, 28), ValueError, "as imagens são 27×28; esperava lados múltiplos de"),
        (torch.zeros(2, 784), ValueError, r"\(2, 784\)"),
        (torch.full((2, 1, 28, 28), 3.0), ValueError, r"de 3 a 3; esperava números finitos em \[-1, 1\]"),
        (torch.zeros(2, 1, 28, 28).byte(), TypeError, "uint8"),
        (torch.zeros(2, 1, 28, 28).double(), TypeError, "float64; os pesos da rede"),
        ([[0.0]], TypeError, "veio list"),
    ],
)
def test_bad_images(build, x, error, message):
    with pytest.raises(error, match=message):
        build()(x)


# --- o reservatório --------------------------------------------------------------------------------------------------


def numbered(start: int, n: int) -> torch.Tensor:
    return torch.arange(start, start + n, dtype=torch.float32).view(n, 1, 1, 1)


def values(images: torch.Tensor) -> list[int]:
    return images.flatten().int().tolist()


def test_the_first_images_come_back_as_they_were():
    pool = ImagePool(50)
    for start in range(0, 50, 10):
        assert values(pool(numbered(start, 10))) == list(range(start, start + 10))
    assert values(torch.stack(pool.images)) == list(range(50))


def test_then_half_of_them_are_exchanged_for_old_ones():
    pool = ImagePool(50)
    pool(numbered(0, 50))
    fresh = kept = 0
    for start in range(50, 4_050, 8):
        stored = values(torch.stack(pool.images))
        shown = values(pool(numbered(start, 8)))
        # A antiga sai do reservatório quando é mostrada, e a nova fica no seu lugar: nada se perde nem se repete.
        after = values(torch.stack(pool.images))
        assert sorted(shown + after) == sorted(stored + list(range(start, start + 8)))
        assert len(after) == 50
        kept += sum(value >= start for value in shown)
        fresh += 8
    # Quase metade: a troca pode devolver uma imagem que acabou de entrar, do mesmo lote. Cinco erros padrão.
    assert kept / fresh == pytest.approx(0.5, abs=0.06)
    ages = torch.tensor([4_050 - value for value in values(torch.stack(pool.images))]).float()
    # Cada imagem nova troca uma guardada com probabilidade 1/2 · 1/50: em média, ficam 100 imagens.
    assert 60 < ages.mean() < 160


def test_pool_is_deterministic_under_the_seed_and_depends_on_it():
    def run(seed: int) -> list[int]:
        torch.manual_seed(seed)
        pool = ImagePool(5)
        return [value for start in range(0, 60, 6) for value in values(pool(numbered(start, 6)))]

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_pool_keeps_copies_without_gradient():
    fakes = torch.zeros(2, 1, 1, 1, requires_grad=True) + 0
    pool = ImagePool(5)
    shown = pool(fakes)
    assert not shown.requires_grad
    with torch.no_grad():
        fakes.add_(9)
    assert values(torch.stack(pool.images)) == [0, 0]


def test_old_images_follow_the_new_ones():
    """Um checkpoint guarda as imagens na CPU; o treinamento retomado as quer onde (e no tipo em que) estão as novas."""
    pool = ImagePool(3)
    pool.load_state_dict({"capacity": 3, "images": numbered(0, 3)})
    assert pool(numbered(10, 40).double()).dtype == torch.float64


def test_pool_of_zero_shows_only_new_images():
    pool = ImagePool(0)
    for start in (0, 4):
        assert values(pool(numbered(start, 4))) == list(range(start, start + 4))
    assert pool.images == []


def test_pool_state_goes_and_comes_back():
    pool, other = ImagePool(4), ImagePool(4)
    other.load_state_dict(copy.deepcopy(pool.state_dict()))
    assert other.images == []
    pool(numbered(0, 3))
    other.load_state_dict(copy.deepcopy(pool.state_dict()))
    for start in (10, 20):
        torch.manual_seed(0)
        expected = values(pool(numbered(start, 5)))
        torch.manual_seed(0)
        assert values(other(numbered(start, 5))) == expected
    with pytest.raises(ValueError, match="capacity do estado: veio 4; esperava 5"):
        ImagePool(5).load_state_dict(pool.state_dict())


# --- as perdas -------------------------------------------------------------------------------------------------------


def test_losses_against_hand_values():
    real, fake = torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[0.0, 2.0]]])
    assert discriminator_loss(real, fake).item() == pytest.approx(0.5 * ((0 + 4) / 2 + (0 + 4) / 2))
    assert generator_loss(fake).item() == pytest.approx((1 + 1) / 2)
    assert discriminator_loss(torch.ones(2, 3, 3), torch.zeros(5, 3, 3)).item() == 0
    assert discriminator_loss(torch.full((2, 3, 3), 0.5), torch.full((5, 3, 3), 0.5)).item() == pytest.approx(0.25)
    assert generator_loss(torch.ones(2, 3, 3)).item() == 0
    a, b = torch.zeros(2, 1, 2, 2), torch.tensor([0.5, -1.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    assert cycle_loss(a, b).item() == pytest.approx(0.75)
    assert identity_loss(a, b).item() == pytest.approx(0.75)


def test_optimal_discriminator_of_least_squares():
    """Com D* = p / (p + q), nenhum outro D faz a perda menor (Mao et al., 2017)."""
    p, q = torch.tensor([3, 1, 4]), torch.tensor([1, 5, 2])
    best = (p / (p + q)).double()

    def loss(logits: torch.Tensor) -> torch.Tensor:
        return discriminator_loss(logits.repeat_interleave(p), logits.repeat_interleave(q))

    for _ in range(20):
        assert loss(best + 0.3 * torch.randn(3, dtype=torch.float64)) > loss(best)


def test_decay_is_flat_then_linear_to_zero():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.8)
    schedule, rates = LinearDecay(optimizer, 8), []
    for _ in range(9):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.8, 0.8, 0.8, 0.8, 0.8, 0.6, 0.4, 0.2, 0.0])
    assert schedule.state_dict()["total_steps"] == 8


def test_resumed_decay_goes_on_from_where_it_was():
    def decay() -> tuple[torch.optim.Optimizer, LinearDecay]:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
        return optimizer, LinearDecay(optimizer, 7)

    def rates(optimizer: torch.optim.Optimizer, schedule: LinearDecay, steps: int) -> list[float]:
        found = []
        for _ in range(steps):
            optimizer.step()
            schedule.step()
            found.append(optimizer.param_groups[0]["lr"])
        return found

    whole = rates(*decay(), steps=7)
    first, second = decay(), decay()
    rates(*first, steps=4)
    for part, saved in zip(second, first, strict=True):
        part.load_state_dict(copy.deepcopy(saved.state_dict()))
    assert rates(*second, steps=3) == whole[4:]
    assert whole[-1] == 0


# --- o passo ---------------------------------------------------------------------------------------------------------


class Identity(nn.Module):
    """Gerador que devolve a entrada; o parâmetro só existe para que haja o que otimizar."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


def test_identity_generators_have_no_cycle_and_no_identity_loss(pair):
    step = small_step()
    step.gen_xy, step.gen_yx = Identity(), Identity()
    terms = step(pair)
    for name in ("cycle_x", "cycle_y", "identity_x", "identity_y"):
        assert terms[name] == 0, name
    assert terms["gan_xy"] > 0
    torch.testing.assert_close(terms["gen_loss"], terms["gan_xy"] + terms["gan_yx"])
    # E um gerador que não é a identidade as tem.
    step.gen_yx.scale.data.fill_(0.5)
    terms = step(pair)
    assert terms["cycle_x"] == pytest.approx(0.5 * pair.x.abs().mean().item())
    assert terms["identity_x"] == pytest.approx(0.5 * pair.x.abs().mean().item())
    assert terms["identity_y"] == 0


def test_each_translation_is_judged_in_its_domain(pair):
    """disc_y vê G(x) e y; disc_x vê F(y) e x. Trocá-los passaria em todo teste de forma."""
    step = small_step(pool_size=0)
    seen = {}
    for name in ("disc_x", "disc_y"):
        network = getattr(step, name)
        network.register_forward_hook(lambda _, inputs, __, name=name: seen.setdefault(name, []).append(inputs[0]))
    with torch.no_grad():
        fake_y, fake_x = step.gen_xy(pair.x), step.gen_yx(pair.y)
    step(pair)
    torch.testing.assert_close(seen["disc_y"][0], fake_y)
    torch.testing.assert_close(seen["disc_y"][1], torch.cat([pair.y, fake_y]))
    torch.testing.assert_close(seen["disc_x"][0], fake_x)
    torch.testing.assert_close(seen["disc_x"][1], torch.cat([pair.x, fake_x]))


def state(step: CycleGANStep) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.detach().clone()
        for name in NETWORKS
        for key, value in getattr(step, name).state_dict().items()
    }


@pytest.mark.parametrize(("gen_lr", "disc_lr"), [(1e-3, 1e-3), (1e-3, 0.0), (0.0, 1e-3), (0.0, 0.0)])
def test_each_network_is_moved_only_by_its_own_optimizer(pair, gen_lr, disc_lr):
    step = small_step(gen_lr=gen_lr, disc_lr=disc_lr)
    for _ in range(2):
        before = state(step)
        step(pair)
        for name, value in state(step).items():
            moves = gen_lr > 0 if name.startswith("gen") else disc_lr > 0
            assert torch.equal(value, before[name]) != moves, name


def reference_step(step: CycleGANStep, pair: UnpairedBatch, cycle: float, identity: float) -> dict[str, torch.Tensor]:
    """O passo escrito como no papel: cada perda por extenso, cada imagem numa passagem, nada compartilhado."""
    G, F_, D_x, D_y = (getattr(step, name) for name in NETWORKS)
    x, y = pair
    ones = torch.ones_like(D_y(y))
    terms = {
        "gan_xy": F.mse_loss(D_y(G(x)), ones),
        "gan_yx": F.mse_loss(D_x(F_(y)), ones),
        "cycle_x": F.l1_loss(F_(G(x)), x),
        "cycle_y": F.l1_loss(G(F_(y)), y),
        "identity_x": F.l1_loss(F_(x), x),
        "identity_y": F.l1_loss(G(y), y),
    }
    terms["gen_loss"] = (
        terms["gan_xy"]
        + terms["gan_yx"]
        + cycle * terms["cycle_x"]
        + cycle * terms["cycle_y"]
        + identity * terms["identity_x"]
        + identity * terms["identity_y"]
    )
    fake_x, fake_y = F_(y).detach(), G(x).detach()
    step.gen_optimizer.zero_grad()
    terms["gen_loss"].backward()
    step.gen_optimizer.step()

    step.disc_optimizer.zero_grad()
    for name, disc, real, fake in (("disc_x", D_x, x, fake_x), ("disc_y", D_y, y, fake_y)):
        terms[name] = (F.mse_loss(disc(real), ones) + F.mse_loss(disc(fake), torch.zeros_like(ones))) / 2
        terms[name].backward()
    step.disc_optimizer.step()
    return {name: value.detach() for name, value in terms.items()}


@pytest.mark.parametrize(("cycle", "identity"), [(10.0, 5.0), (3.0, 0.5)])
def test_step_against_the_direct_form(pair, cycle, identity):
    ours = small_step(cycle_weight=cycle, identity_weight=identity, pool_size=0)
    theirs = small_step()
    for _ in range(3):
        found, expected = ours(pair), reference_step(theirs, pair, cycle, identity)
        assert set(found) == set(expected)
        for name in expected:
            torch.testing.assert_close(found[name], expected[name])
    found, expected = state(ours), state(theirs)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


def test_discriminators_see_the_pool_and_generators_do_not(pair):
    plain, pooled = small_step(pool_size=0), small_step(pool_size=1)
    # O primeiro lote enche o reservatório de uma imagem; daí em diante os discriminadores veem algumas antigas.
    torch.manual_seed(1)
    first = plain(pair), pooled(pair)
    for name in ("gan_xy", "cycle_x"):
        assert torch.equal(first[0][name], first[1][name])
    assert not torch.equal(first[0]["disc_x"], first[1]["disc_x"])
    assert len(pooled.pool_x.images) == len(pooled.pool_y.images) == 1


def test_without_identity_its_terms_are_gone(pair):
    step = small_step(identity_weight=0.0)
    terms = step(pair)
    assert not any(name.startswith("identity") for name in terms)
    expected = terms["gan_xy"] + terms["gan_yx"] + 10 * (terms["cycle_x"] + terms["cycle_y"])
    torch.testing.assert_close(terms["gen_loss"], expected)


def test_schedules_advance_with_the_step(pair):
    step = small_step()
    step.gen_scheduler = LinearDecay(step.gen_optimizer, 4)
    step.disc_scheduler = LinearDecay(step.disc_optimizer, 2)
    step(pair)
    step(pair)
    assert step.gen_scheduler.last_epoch == step.disc_scheduler.last_epoch == 2
    assert step.gen_optimizer.param_groups[0]["lr"] == 1e-3
    assert step.disc_optimizer.param_groups[0]["lr"] == 0


def test_step_returns_detached_scalars_and_leaves_batch_and_networks_as_they_were(pair):
    step = small_step()
    before = copy.deepcopy(pair)
    terms = step(pair)
    assert all(value.shape == () and not value.requires_grad for value in terms.values())
    assert all(weights.requires_grad for name in NETWORKS for weights in getattr(step, name).parameters())
    assert torch.equal(pair.x, before.x)
    assert torch.equal(pair.y, before.y)


def test_a_refused_batch_moves_nothing(pair):
    step = small_step()
    before = state(step)
    for bad in (UnpairedBatch(pair.x, pair.y[:, :, :27]), UnpairedBatch(pair.x + 5, pair.y)):
        with pytest.raises(ValueError, match=r"x: .*esperava"):
            step(bad)
    assert all(torch.equal(value, before[name]) for name, value in state(step).items())


def test_mixed_precision_trains(digits):
    x, y = digits.images[:8].chunk(2)
    step = small_step(autocast=torch.bfloat16)
    for name in NETWORKS:
        getattr(step, name).float()
    before = state(step)
    assert all(value.isfinite() for value in step(UnpairedBatch(x, y)).values())
    assert any(not torch.equal(value, before[name]) for name, value in state(step).items())


def test_generators_overfit_one_batch(pair):
    """Com os discriminadores parados, o ciclo e a identidade de um lote só têm que cair."""
    step = small_step(gen_lr=1e-2, disc_lr=0.0)
    terms = [step(pair) for _ in range(40)]
    for name in ("cycle_x", "cycle_y", "identity_x", "identity_y"):
        assert terms[-1][name] < 0.5 * terms[0][name], name


def test_sizes_from_numpy_come_back_from_a_checkpoint(tmp_path):
    """``torch.load`` com ``weights_only`` recusa um inteiro do NumPy: o estado precisa guardar o do Python."""
    pool = ImagePool(np.int64(5))
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    for part in (pool, LinearDecay(optimizer, np.int64(10))):
        torch.save(part.state_dict(), tmp_path / "estado.pt")
        part.load_state_dict(torch.load(tmp_path / "estado.pt", weights_only=True))
