"""O que os testes dos três arquivos de fluxos usam: pesos longe da identidade, o jacobiano e acoplamentos pequenos."""

from __future__ import annotations

import torch
from torch import nn

from course_lib.models.flows import AffineCoupling
from course_lib.models.mixture_flows import MixtureCoupling


def shaken(model, size=0.3):
    """O modelo com pesos sorteados: um acoplamento recém-criado é a identidade, e nela todo erro se esconde."""
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(size * torch.randn_like(weights))
    return model


def conv(n_in, n_out):
    """Uma rede pequena sobre (C, H, W)."""
    return nn.Sequential(nn.Conv2d(n_in, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, n_out, 1))


def coupling(*order):
    """Acoplamento afim sobre (C, H, W), com os canais nesta ordem."""
    return AffineCoupling(order, conv(len(order) // 2, len(order)))


def mixture_coupling(*order, n_components=3):
    """Acoplamento de mistura sobre (C, H, W), com os canais nesta ordem."""
    half = len(order) // 2
    return MixtureCoupling(order, conv(half, (3 * n_components + 2) * half), n_components=n_components)


def jacobian(layer, x):
    """log|det J| de cada exemplo, pelo autograd, sobre todas as dimensões."""
    D = x[0].numel()

    def flat(one):
        return layer(one.view(1, *x.shape[1:]))[0].flatten()

    return torch.stack([torch.func.jacrev(flat)(one.flatten()).view(D, D).slogdet()[1] for one in x])
