"""O que vale para todas as redes: as larguras do documento, as formas, as faixas e a recusa do que não serve."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.models.autoencoder import Autoencoder
from course_lib.models.gan import Discriminator, Generator
from course_lib.models.layers import mlp
from course_lib.models.vae import VAE

X = torch.zeros(3, 1, 28, 28)


def widths(model: nn.Module) -> list[tuple[int, int]]:
    """Entrada e saída de cada camada densa, na ordem em que foram construídas."""
    return [(layer.in_features, layer.out_features) for layer in model.modules() if isinstance(layer, nn.Linear)]


def parameters(model: nn.Module) -> int:
    return sum(weights.numel() for weights in model.parameters())


# --- as arquiteturas do documento ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "layers", "count"),
    [
        (Autoencoder(), [(784, 256), (256, 64), (64, 256), (256, 784)], 435_536),
        (Generator(), [(20, 256), (256, 784)], 206_864),
        (Discriminator(), [(784, 256), (256, 1)], 201_217),
    ],
)
def test_layers_of_the_document(model, layers, count):
    assert widths(model) == layers
    assert parameters(model) == count == sum(n_in * n_out + n_out for n_in, n_out in layers)


def test_layers_of_the_document_vae():
    # mu e logvar podem dividir uma camada: o que o documento fixa é a entrada de 400 e 20 + 20 saídas.
    layers = widths(VAE())
    assert layers[0] == (784, 400)
    assert layers[-2:] == [(20, 400), (400, 784)]
    assert all(n_in == 400 for n_in, _ in layers[1:-2])
    assert sum(n_out for _, n_out in layers[1:-2]) == 40
    assert parameters(VAE()) == 652_824


def dense(layers: list[nn.Linear], x: torch.Tensor, hidden) -> torch.Tensor:
    """A rede densa escrita à mão: a ativação fica entre as camadas, nunca depois da última."""
    for layer in layers[:-1]:
        x = hidden(x @ layer.weight.T + layer.bias)
    return x @ layers[-1].weight.T + layers[-1].bias


def linears(model: nn.Module) -> list[nn.Linear]:
    return [layer for layer in model.modules() if isinstance(layer, nn.Linear)]


def test_autoencoder_computes_the_document_network(batch64):
    model = Autoencoder().double()
    layers, x = linears(model), batch64.x.flatten(1)
    code = dense(layers[:2], x, torch.relu).relu()
    torch.testing.assert_close(model.encode(batch64.x), code)
    torch.testing.assert_close(model(batch64.x).flatten(1), dense(layers[2:], code, torch.relu).tanh())
    free = Autoencoder(relu_code=False).double()
    torch.testing.assert_close(free.encode(batch64.x), dense(linears(free)[:2], x, torch.relu))


def test_generator_computes_the_document_network():
    model, z = Generator().double(), torch.randn(4, 20, dtype=torch.float64)
    torch.testing.assert_close(model(z).flatten(1), dense(linears(model), z, torch.relu).tanh())


def test_discriminator_computes_the_document_network(batch64):
    model = Discriminator().double()

    def leaky(value):
        return torch.where(value > 0, value, 0.2 * value)

    torch.testing.assert_close(model(batch64.x), dense(linears(model), batch64.x.flatten(1), leaky).squeeze(1))


def test_vae_decoder_computes_the_document_network():
    model, z = VAE().double(), torch.randn(4, 20, dtype=torch.float64)
    torch.testing.assert_close(model.decode(z).flatten(1), dense(linears(model)[-2:], z, torch.relu).tanh())


def test_vae_encoder_has_one_relu_layer_before_two_linear_outputs(batch64):
    model = VAE().double()
    first, *heads = linears(model)[:-2]
    hidden = (batch64.x.flatten(1) @ first.weight.T + first.bias).relu()
    outputs = torch.cat([hidden @ head.weight.T + head.bias for head in heads], dim=1)
    torch.testing.assert_close(torch.cat(model.encode(batch64.x), dim=1), outputs)


# --- formas e faixas -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 5])
def test_shapes(n):
    x = torch.rand(n, 1, 28, 28) * 2 - 1
    model = Autoencoder(latent_dim=3, hidden_dims=(50, 10))
    assert model.encode(x).shape == (n, 3)
    assert model(x).shape == (n, 1, 28, 28)
    vae = VAE(latent_dim=2, hidden_dims=(11,))
    x_hat, mu, logvar = vae(x)
    assert x_hat.shape == (n, 1, 28, 28)
    assert mu.shape == logvar.shape == (n, 2)
    assert vae.decode_logits(mu).shape == (n, 1, 28, 28)
    assert Discriminator(hidden_dim=7)(x).shape == (n,)
    assert Generator(latent_dim=4, hidden_dim=7)(torch.randn(n, 4)).shape == (n, 1, 28, 28)


def test_hidden_layers_mirror():
    assert widths(Autoencoder(latent_dim=3, hidden_dims=(50, 10))) == [
        *[(784, 50), (50, 10), (10, 3)],
        *[(3, 10), (10, 50), (50, 784)],
    ]
    assert widths(Autoencoder(latent_dim=3, hidden_dims=())) == [(784, 3), (3, 784)]
    assert widths(VAE(latent_dim=3, hidden_dims=(50, 10))) == [
        *[(784, 50), (50, 10), (10, 6)],
        *[(3, 10), (10, 50), (50, 784)],
    ]


def test_outputs_stay_in_the_range_of_the_data_whatever_the_code():
    z = 50 * torch.randn(20, 64)
    for images in (Autoencoder().decode(z), VAE().decode(z[:, :20]), Generator()(z[:, :20])):
        assert images.abs().max() <= 1
        assert images.std() > 0.1


def test_the_code_is_never_negative_with_relu_and_is_without(batch):
    code = Autoencoder().encode(batch.x)
    assert code.min() == 0
    assert code.max() > 0
    assert Autoencoder(relu_code=False).encode(batch.x).min() < 0


SAMPLERS = [Autoencoder(), Autoencoder(relu_code=False), VAE(), Generator()]


@pytest.mark.parametrize("model", SAMPLERS, ids=lambda model: type(model).__name__)
def test_sample(model):
    torch.manual_seed(3)
    images = model.sample(6)
    assert images.shape == (6, 1, 28, 28)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert not images.requires_grad
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(model.sample(6), images)
    torch.manual_seed(3)
    assert torch.equal(model.sample(6), images)


@pytest.mark.parametrize("model", [Autoencoder(), VAE(), Generator()], ids=lambda model: type(model).__name__)
def test_sample_follows_the_type_of_the_weights(model):
    assert model.double().sample(2).dtype == torch.float64


@pytest.mark.parametrize("model", [VAE(), Generator()], ids=lambda model: type(model).__name__)
def test_samples_come_from_a_standard_normal(model, monkeypatch):
    seen = []
    for method in ("decode", "forward"):
        if hasattr(model, method):
            monkeypatch.setattr(model, method, lambda z, y=None: seen.append(z))
    model.sample(5000)
    (z,) = seen
    # 5 erros padrão: 5 / raiz de 100.000 na média, e raiz de 2 vezes isso na variância.
    assert z.mean().item() == pytest.approx(0, abs=0.016)
    assert z.var().item() == pytest.approx(1, abs=0.023)


# --- o que não serve -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden_dims", [256, None, 2.5])
def test_hidden_dims_must_be_a_sequence(hidden_dims):
    with pytest.raises(ValueError, match=r"hidden_dims: veio .*; esperava uma sequência de inteiros ≥ 1"):
        Autoencoder(hidden_dims=hidden_dims)
    with pytest.raises(ValueError, match=r"hidden_dims: veio .*; esperava uma sequência de inteiros ≥ 1"):
        VAE(hidden_dims=hidden_dims)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Autoencoder(latent_dim=0),
        lambda: Autoencoder(latent_dim=-3),
        lambda: Autoencoder(latent_dim=2.5),
        lambda: Autoencoder(hidden_dims=(256, 0)),
        lambda: VAE(latent_dim=0),
        lambda: VAE(latent_dim=1.5),
        lambda: VAE(hidden_dims=(0,)),
        lambda: Generator(latent_dim=0),
        lambda: Generator(hidden_dim="256"),
        lambda: Discriminator(hidden_dim=-1),
        lambda: mlp((784,)),
    ],
)
def test_bad_widths(build):
    with pytest.raises(ValueError, match=r"(larguras das camadas|hidden_dims): veio .*; esperava .* inteiros ≥ 1"):
        build()


IMAGE_ENTRIES = [Autoencoder().encode, Autoencoder(), Autoencoder().fit_codes, VAE().encode, VAE(), Discriminator()]
BAD_IMAGES = [
    (X.flatten(1), ValueError, r"forma \(3, 784\); esperava \(B, 1, 28, 28\)"),
    (X[:, 0], ValueError, r"forma \(3, 28, 28\)"),
    (torch.zeros(3, 3, 32, 32), ValueError, r"forma \(3, 3, 32, 32\)"),
    (X.byte(), TypeError, r"veio torch\.uint8; esperava"),
    (X.numpy(), TypeError, "veio ndarray; esperava"),
    (X.double(), TypeError, r"veio torch\.float64; os pesos da rede são torch\.float32"),
    (X.half(), TypeError, r"veio torch\.float16; os pesos da rede são torch\.float32"),
]


@pytest.mark.parametrize("entry", IMAGE_ENTRIES, ids=["encode", "ae", "fit_codes", "vae.encode", "vae", "disc"])
@pytest.mark.parametrize(("x", "error", "message"), BAD_IMAGES)
def test_bad_images(entry, x, error, message):
    with pytest.raises(error, match=message):
        entry(x)


LATENT_ENTRIES = [Autoencoder(latent_dim=20).decode, VAE().decode, VAE().decode_logits, Generator()]
BAD_CODES = [
    (torch.zeros(20), ValueError, r"z: .*\(20,\); esperava \(B, 20\)"),
    (torch.zeros(3, 21), ValueError, r"z: .*\(3, 21\); esperava \(B, 20\)"),
    (torch.zeros(3, 20, 1), ValueError, r"\(3, 20, 1\)"),
    (torch.zeros(3, 20, dtype=torch.int64), TypeError, r"z: veio torch\.int64; esperava"),
    (np.zeros((3, 20), dtype=np.float32), TypeError, "z: veio ndarray; esperava"),
    ([[0.0] * 20], TypeError, "z: veio list; esperava"),
    (torch.zeros(3, 20).double(), TypeError, r"z: veio torch\.float64; os pesos da rede são torch\.float32"),
]


@pytest.mark.parametrize("entry", LATENT_ENTRIES, ids=["ae", "vae", "vae.logits", "gen"])
@pytest.mark.parametrize(("z", "error", "message"), BAD_CODES)
def test_bad_codes(entry, z, error, message):
    with pytest.raises(error, match=message):
        entry(z)


@pytest.mark.parametrize("model", SAMPLERS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("n", [0, -2, 2.5, "4", None])
def test_bad_sample_count(model, n):
    with pytest.raises(ValueError, match=r"n: veio .*; esperava um inteiro ≥ 1"):
        model.sample(n)


def test_mixed_precision_is_let_through(batch):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Autoencoder()(batch.x).shape == batch.x.shape
        assert VAE()(batch.x)[0].shape == batch.x.shape


def test_jacobian_of_a_decoder_by_torch_func():
    """Uma função com derivada própria precisa declarar que aceita vmap; o jacobiano de um lote passa por ele."""
    model, z = Autoencoder(latent_dim=3, hidden_dims=(5,)).double(), torch.randn(3, dtype=torch.float64)

    def decode(code):
        return model.decode(code.unsqueeze(0)).flatten()

    numeric = torch.stack([(decode(z + 1e-6 * e) - decode(z - 1e-6 * e)) / 2e-6 for e in torch.eye(3).double()], dim=1)
    found = torch.func.vmap(torch.func.jacrev(decode))(torch.stack([z, 2 * z]))
    torch.testing.assert_close(found[0], numeric, rtol=1e-5, atol=1e-8)
