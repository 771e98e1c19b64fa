"""Pilha de autoencoders: cada camada aprende sozinha, desenrolar não muda nada, e o classificador herda os pesos."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from course_lib.models.denoising import masking_noise
from course_lib.models.stacked import (
    StackClassifier,
    StackLayer,
    encode_through,
    freeze,
    layer_objective,
    stack_layers,
    unroll,
)
from course_lib.recipes import get_recipe, train
from course_lib.training.greedy import greedy_pretrain

SIZES = (784, 40, 20, 5)


@pytest.fixture
def layers():
    return stack_layers(SIZES, relu_code=False)


def test_layers_chain_and_only_the_last_may_be_linear(layers, batch):
    assert [(layer.n_in, layer.n_out) for layer in layers] == [(784, 40), (40, 20), (20, 5)]
    assert torch.equal(encode_through([], batch.x), batch.x.flatten(1))
    assert encode_through(layers[:2], batch.x).min() == 0
    assert encode_through(layers, batch.x).min() < 0
    for layer, bounded in zip(layers, (True, False, False), strict=True):
        torch.nn.init.constant_(layer.decoder[0].bias, 5.0)
        h_hat = layer(torch.zeros(2, layer.n_in))
        assert bool(h_hat.max() <= 1) == bounded, "só a imagem tem limites; tanh nas outras impediria de reconstruí-las"


def test_layer_objective_by_hand(layers, batch64):
    below, layer = layers[0].double(), layers[1].double()
    h = torch.relu(batch64.x.flatten(1) @ below.encoder[0].weight.T + below.encoder[0].bias)
    corrupted = h * 0.5
    h_hat = layer.decoder(torch.relu(layer.encoder(corrupted)))
    terms = layer_objective(layer, batch64, below=[below], corrupt=lambda value: value * 0.5)
    torch.testing.assert_close(terms["loss"], (h_hat - h).square().sum() / h.numel())


def test_the_layer_below_receives_no_gradient(layers, batch):
    layer_objective(layers[1], batch, below=layers[:1])["loss"].backward()
    assert all(p.grad is None for p in layers[0].parameters())
    assert all(p.grad is not None for p in layers[1].parameters())


def test_freeze_stops_every_weight(layers):
    assert freeze(layers[0]) is layers[0]
    assert not any(p.requires_grad for p in layers[0].parameters())
    assert all(p.requires_grad for p in layers[1].parameters())


def test_unrolled_network_computes_what_the_stack_does(layers, batch):
    for layer in layers:
        freeze(layer)
    model = unroll(layers)
    z = encode_through(layers, batch.x)
    torch.testing.assert_close(model.encode(batch.x), z)
    h = z
    for layer in reversed(layers):
        h = layer.decoder(h)
        h = torch.tanh(h) if layer.n_in == 784 else F.relu(h)
    torch.testing.assert_close(model(batch.x), h.view(-1, 1, 28, 28))
    assert all(p.requires_grad for p in model.parameters()), "o ajuste fino precisa de gradiente em todos os pesos"


def test_greedy_pretraining_trains_each_layer_once(digits):
    layers = stack_layers(SIZES)
    batches = digits.take(320).batches(32)
    corruptions = [partial(masking_noise, fraction=0.2), partial(masking_noise, fraction=0.2, value=0.0), None]
    before = [layer.encoder[0].weight.clone() for layer in layers]
    histories = greedy_pretrain(layers, batches, epochs=3, corruptions=corruptions, progress=False)
    assert [len(history) for history in histories] == [3, 3, 3]
    assert all(history["loss"][-1] < history["loss"][0] for history in histories)
    for layer, weight in zip(layers, before, strict=True):
        assert not torch.equal(layer.encoder[0].weight, weight)
        assert not any(p.requires_grad for p in layer.parameters())


def test_pretraining_a_layer_leaves_the_ones_below_alone(digits):
    batches = digits.take(64).batches(32)
    alone, stack = stack_layers(SIZES[:2]), stack_layers(SIZES)
    stack[0].load_state_dict(alone[0].state_dict())
    for layers in (alone, stack):
        greedy_pretrain(layers, batches, epochs=1, progress=False)
    torch.testing.assert_close(stack[0].state_dict(), alone[0].state_dict(), rtol=0, atol=0)


def test_pretraining_resumes_from_the_layers_already_trained(digits, tmp_path):
    batches, checkpoint = digits.take(64).batches(32), tmp_path / "pilha.ckpt"
    reached = []
    for _ in range(2):
        torch.manual_seed(0)
        layers = stack_layers(SIZES)
        histories = greedy_pretrain(layers, batches, epochs=2, checkpoint=checkpoint, progress=False)
        reached.append((histories, [layer.state_dict() for layer in layers]))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"pilha-camada{k}.ckpt" for k in (1, 2, 3)]
    assert reached[0][0] == reached[1][0], "a segunda vez devia ler o histórico, segundos inclusive, e não treinar"
    torch.testing.assert_close(reached[0][1], reached[1][1], rtol=0, atol=0)


def test_the_recipe_starts_from_a_pretrained_stack(digits):
    dataset = digits.take(64)
    trained = train("stacked", profile="rapido", dataset=dataset, progress=False)
    assert [len(history) for history in trained.pretraining] == [trained.recipe.config.training["layer_epochs"]] * 4
    assert len(trained.history) == 1
    recipe, batches = get_recipe("stacked"), digits.take(128).batches(32)
    step = recipe.build(1)
    errors = []
    for _ in range(2):
        with torch.no_grad():
            errors.append(F.mse_loss(step.model(dataset.images), dataset.images).item())
        recipe.prepare(recipe.config, step, batches, seed=0, checkpoint=None, progress=False)
    assert errors[1] < 0.7 * errors[0], "o ajuste fino devia partir da pilha, e não do acaso"


def test_pretraining_wants_one_corruption_a_layer(layers, digits):
    with pytest.raises(ValueError, match="corruptions: veio 1; esperava 3"):
        greedy_pretrain(layers, digits.take(8).batches(8), epochs=1, corruptions=[None], progress=False)


def test_classifier_inherits_the_encoders_and_not_the_decision(batch):
    layers = stack_layers(SIZES)
    classifier = StackClassifier(SIZES)
    decision = classifier.body[-1].weight.clone()
    classifier.load_layers(layers)
    torch.testing.assert_close(classifier.body[:-1](batch.x.flatten(1)), encode_through(layers, batch.x))
    assert torch.equal(classifier.body[-1].weight, decision)
    assert classifier(batch.x).shape == (16, 10)


def test_what_does_not_fit_is_named(batch):
    with pytest.raises(ValueError, match="layers: não veio nada; esperava pelo menos um item"):
        unroll([])
    for layers in ([StackLayer(784, 5), StackLayer(6, 3)], [StackLayer(20, 5)]):
        with pytest.raises(ValueError, match="camadas encaixadas a partir de 784"):
            unroll(layers)
    with pytest.raises(ValueError, match="sem ReLU só a última"):
        unroll([StackLayer(784, 5, relu=False), StackLayer(5, 3)])
    with pytest.raises(ValueError, match=r"uma pilha de larguras \(8,\); esperava \(9,\)"):
        StackClassifier((784, 9)).load_layers(stack_layers((784, 8)))
    for build in (stack_layers, StackClassifier):
        with pytest.raises(
            ValueError, match=r"(sizes|larguras das camadas): veio \(784,\); esperava pelo menos 2 inteiros ≥ 1"
        ):
            build((784,))
    with pytest.raises(ValueError, match=r"h: veio um tensor de forma \(16, 1, 28, 28\); esperava \(B, 784\)"):
        StackLayer(784, 5).encode(batch.x)
    with pytest.raises(ValueError, match="esperava"):
        StackClassifier(SIZES)(batch.x * 3)
