"""Autoencoder clássico: comprimir e reconstruir. Capítulo 01_autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks
from course_lib.contracts import Batch, Terms
from course_lib.models.layers import IMAGE_DIM, IMAGE_SHAPE, fast_tanh, mlp, pixels, standard_normal, widths_between


class Autoencoder(nn.Module):
    r"""Autoencoder denso: :math:`z = f(x)`, :math:`\hat{x} = g(z)`.

    Com os valores padrão é a rede 784-256-64-256-784 do documento de origem, com ReLU no código: ``z`` nunca é
    negativo. ``relu_code=False`` deixa o código livre.

    Args:
        hidden_dims: larguras entre a imagem e o código; o decodificador as percorre ao contrário.
        latent_dim: dimensões do código.
        relu_code: se o código passa por ReLU.

    Raises:
        ValueError: alguma largura menor que 1.

    Referência:
        Rumelhart, Hinton e Williams (1986); Hinton e Salakhutdinov (2006).
    """

    # Quem recebe imagens com ruído, que passam de [-1, 1], herda daqui e muda isto.
    input_in_range = True

    code_mean: Tensor
    code_scale: Tensor

    def __init__(self, latent_dim: int = 64, hidden_dims: Sequence[int] = (256,), *, relu_code: bool = True) -> None:
        super().__init__()
        sizes = widths_between(IMAGE_DIM, hidden_dims, latent_dim)
        self.latent_dim = latent_dim
        self.relu_code = relu_code
        self.encoder = mlp(sizes)
        self.decoder = mlp(sizes[::-1])
        # A gaussiana que `fit_codes` ajusta aos códigos; até lá, N(0, I), que é de onde o documento amostra.
        self.register_buffer("code_mean", torch.zeros(latent_dim))
        self.register_buffer("code_scale", torch.eye(latent_dim))

    def encode(self, x: Tensor) -> Tensor:
        """Código das imagens.

        Args:
            x: (B, 1, 28, 28) em [-1, 1].

        Returns:
            z (B, latent_dim); com ``relu_code``, em [0, ∞).

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens.
        """
        z = self.encoder(pixels(x, self.encoder, in_range=self.input_in_range))  # (B, latent_dim)
        return F.relu(z) if self.relu_code else z

    def decode(self, z: Tensor) -> Tensor:
        """Imagens (B, 1, 28, 28) em (-1, 1) a partir dos códigos z (B, latent_dim).

        Raises:
            TypeError, ValueError: ``z`` tem outro tipo ou outra forma.
        """
        checks.codes(z, self.latent_dim, self.decoder)
        return fast_tanh(self.decoder(z)).view(-1, *IMAGE_SHAPE)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstrução (B, 1, 28, 28) de x (B, 1, 28, 28)."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def fit_codes(self, x: Tensor) -> None:
        """Ajusta uma gaussiana aos códigos de ``x``, para que :meth:`sample` sorteie onde o decodificador treinou.

        Args:
            x: (N, 1, 28, 28) em [-1, 1], com N > 1.

        Referência:
            Ghosh, Sajjadi, Vergari, Black e Schölkopf (2020), *From variational to deterministic autoencoders*
            (a densidade ajustada depois do treino).
        """
        checks.require(len(x) > 1, f"x: veio um lote de {len(x)} imagem; a covariância precisa de pelo menos 2")
        z = self.encode(x)
        # Unidades mortas da ReLU têm variância zero: a raiz por autovalores aceita uma covariância singular.
        eigenvalues, eigenvectors = torch.linalg.eigh(torch.cov(z.T).reshape(self.latent_dim, self.latent_dim))
        self.code_mean.copy_(z.mean(0))
        self.code_scale.copy_(eigenvectors * eigenvalues.clamp_min(0).sqrt())

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """``n`` imagens (n, 1, 28, 28) decodificadas da gaussiana dos códigos (N(0, I) antes de ``fit_codes``).

        Raises:
            ValueError: ``n`` menor que 1.
        """
        z = self.code_mean + standard_normal(n, self.latent_dim, like=self) @ self.code_scale.T
        return self.decode(F.relu(z) if self.relu_code else z)


def reconstruction_objective(model: nn.Module, batch: Batch) -> Terms:
    r"""Erro quadrático médio da reconstrução: :math:`\frac{1}{BD}\sum_{b,d}(\hat{x}_{bd} - x_{bd})^2`.

    Args:
        model: leva x (B, 1, 28, 28) em x_hat da mesma forma.
        batch: lote com ``x``.

    Returns:
        ``{"loss": ()}``, média sobre lote e pixels, em unidades de pixel em [-1, 1] (o dobro de [0, 1], logo 4 vezes
        o erro quadrático medido lá).
    """
    return {"loss": F.mse_loss(model(batch.x), batch.x)}


def sparse_objective(model: Autoencoder, batch: Batch, *, weight: float) -> Terms:
    r"""Reconstrução mais o custo de acender unidades: :math:`\mathrm{MSE} + \alpha\,\mathbb{E}\sum_j |z_j|`.

    A norma 1 puxa cada unidade para zero com a mesma força, esteja ela perto ou longe: as que pouco ajudam apagam-se
    de todo, e cada imagem acaba descrita por poucas unidades acesas.

    Args:
        model: autoencoder com ``encode`` e ``decode``.
        batch: lote com ``x``.
        weight: α ≥ 0.

    Returns:
        ``loss`` = ``reconstruction`` + α ``penalty``; a penalidade soma sobre o código e faz a média sobre o lote.

    Raises:
        ValueError: ``weight`` negativo.

    Referência:
        Ng (2011), *Sparse autoencoder*; a norma 1 é a de Olshausen e Field (1996).
    """
    z = model.encode(batch.x)
    return _penalized(F.mse_loss(model.decode(z), batch.x), z.abs().sum(1).mean(), weight)


def contractive_objective(model: Autoencoder, batch: Batch, *, weight: float) -> Terms:
    r"""Reconstrução mais a sensibilidade do código: :math:`\mathrm{MSE} + \alpha\,\mathbb{E}\|J_f(x)\|_F^2`.

    Com uma camada só e ReLU no código, :math:`J_f = \mathrm{diag}(\mathbb{1}[z > 0])\,W`, e a norma sai sem derivar
    nada: soma-se :math:`\|W_j\|^2` das unidades acesas.

    Args:
        model: autoencoder de codificador com uma camada (``hidden_dims=()``) e ReLU no código.
        batch: lote com ``x``.
        weight: α ≥ 0.

    Returns:
        ``loss`` = ``reconstruction`` + α ``penalty``; a penalidade é a média sobre o lote da norma ao quadrado.

    Raises:
        ValueError: ``weight`` negativo, ou o codificador tem outra forma.

    Referência:
        Rifai, Vincent, Muller, Glorot e Bengio (2011), *Contractive auto-encoders*, equação 3 (lá com sigmoide).
    """
    checks.require(len(model.encoder) == 1 and model.relu_code, "model: esperava uma camada só (hidden_dims=()) e ReLU")
    z = model.encode(batch.x)
    weights, _ = model.encoder.parameters()
    row_norms = weights.square().sum(1)  # (latent_dim,)
    penalty = ((z > 0).to(row_norms.dtype) @ row_norms).mean()
    return _penalized(F.mse_loss(model.decode(z), batch.x), penalty, weight)


def _penalized(reconstruction: Tensor, penalty: Tensor, weight: float) -> Terms:
    checks.number(weight, "weight", "[0, inf)")
    return {"loss": reconstruction + weight * penalty, "reconstruction": reconstruction, "penalty": penalty}
