"""A rede que julga: o último lote, que pode ter uma imagem só."""

from __future__ import annotations

import torch
from torch import nn

from course_lib.data import Batch
from course_lib.models.judge import JudgeNetwork, classification_objective


def test_a_last_batch_of_one_image_trains():
    torch.manual_seed(0)
    model = JudgeNetwork(width=4, n_features=8)
    images = torch.rand(9, 1, 28, 28) * 2 - 1
    labels = torch.arange(9)
    for chunk in (slice(0, 8), slice(8, 9)):
        terms = classification_objective(model, Batch(images[chunk], labels[chunk]), shift=1)
        assert terms["loss"].isfinite()
        terms["loss"].backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_one_image_is_normalised_with_the_moving_averages_and_does_not_change_them():
    torch.manual_seed(0)
    model = JudgeNetwork(width=4, n_features=8)
    norm = model.body[-1]
    assert isinstance(norm, nn.BatchNorm1d)
    model(torch.rand(8, 1, 28, 28))
    before = norm.running_mean.clone(), norm.running_var.clone()
    h = torch.randn(1, 8)
    norm.train()
    trained = norm(h)
    assert torch.equal(norm.running_mean, before[0])
    assert torch.equal(norm.running_var, before[1])
    assert torch.allclose(trained, norm.eval()(h))
    # De dois em diante é a normalização de sempre.
    pair = torch.randn(2, 8)
    reference = nn.BatchNorm1d(8)
    assert torch.equal(norm.train()(pair), reference(pair))
