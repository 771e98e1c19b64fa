"""As nuvens do VAE: quanto da taxa informa sobre a imagem e quanto afasta q(z) da priori, três sementes de cada.

``python -m benchmarks.clouds`` grava cada treinamento assim que ele termina e, chamado de novo, faz só os que faltam.
O resultado é o estudo ``course_lib/studies/clouds.json``, que o capítulo 03_vae mostra em tabela.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn
from torch.distributions import Normal

from benchmarks.study import command, run_variants
from course_lib import metrics, runtime
from course_lib.data import Batch, ImageDataset, load_mnist
from course_lib.metrics.samples import frechet_distance
from course_lib.models.autoencoder import Autoencoder, reconstruction_objective
from course_lib.models.vae import DOCUMENT_VARIANCE, VAE, gaussian_objective
from course_lib.studies import Study
from course_lib.text import number
from course_lib.training import ObjectiveStep, fit
from course_lib.weights import load_judge

# O θ = σ²β de cada treinamento da curva de taxa e distorção; aqui β = 1, e θ é a variância declarada.
THETAS = (5.0, 0.5, 0.05, 1.0, 2.0, 0.2)
LEARNED, UNTRAINED, REAL, AUTOENCODER = "σ² aprendida", "sem treino", "reais de treino", "autoencoder"
ANNEALED = {"recozida, θ = 100": 100.0}
# Coordenadas e σ² de cada VAE condicional.
CONDITIONAL = {
    "condicional, d = 2, θ = 1": (2, 1.0),
    "condicional, d = 20, θ = 0,5": (20, 0.5),
    "condicional, d = 20, θ = 1": (20, 1.0),
    "condicional, d = 20, θ = 5": (20, 5.0),
}
PLANAR, PLANAR_UNTRAINED = "plano", "plano, sem treino"
VARIANTS = (
    UNTRAINED,
    REAL,
    *(f"θ = {number(theta)}" for theta in THETAS),
    LEARNED,
    AUTOENCODER,
    *CONDITIONAL,
    PLANAR,
    PLANAR_UNTRAINED,
    *ANNEALED,
)


@dataclass(frozen=True)
class Config:
    """O que é igual em todos os treinamentos, que são os do capítulo; só a semente e a variante mudam.

    Attributes:
        images: imagens de treino, sorteadas.
        epochs: épocas.
        seeds: uma por repetição: pesos iniciais, ordem dos lotes e sorteios.
        judged: amostras julgadas, e imagens de teste da referência.
        components: gaussianas da mistura ajustada aos códigos.
        draws: sorteios de z na estimativa da informação.
        neighbours: vizinhos que votam na classe de um ponto do plano latente.
        batch_size: imagens por lote.
        lr: maior taxa de aprendizado.
    """

    images: int = 20_000
    epochs: int = 6
    seeds: tuple[int, ...] = (0, 1, 2)
    judged: int = 3_000
    components: int = 10
    draws: int = 2_000
    neighbours: int = 10
    batch_size: int = 128
    lr: float = 4e-3


QUICK = Config(images=500, epochs=1, seeds=(0,), judged=200, components=2, draws=100)


class Annealed:
    """A perda gaussiana com o peso da KL subindo de zero a ``beta`` na primeira metade do treino."""

    def __init__(self, beta: float, steps: int) -> None:
        self.beta, self.steps, self.taken = beta, steps, 0

    def __call__(self, model: VAE, batch: Batch) -> dict[str, Tensor]:
        self.taken += 1
        return gaussian_objective(model, batch, beta=self.beta * min(1.0, 2 * self.taken / self.steps))


def learned_variance_objective(model: VAE, batch: Batch) -> dict[str, Tensor]:
    """ELBO negativa com a melhor variância para cada lote, que é o erro médio por pixel.

    Com ela a reconstrução vale 392 log(erro) a menos de uma constante, e o gradiente é o da perda gaussiana com σ²
    igual a esse erro, tomado como número.

    Referência:
        Rybkin, Daniilidis e Levine (2021), *Simple and effective VAE training with calibrated decoders*.
    """
    with torch.no_grad():
        # O mesmo ruído nas duas passagens: o erro é o do sorteio que a perda vai ver.
        state = torch.get_rng_state()
        variance = (model(batch.x)[0] - batch.x).square().mean().item()
        torch.set_rng_state(state)
    return gaussian_objective(model, batch, variance=variance) | {"variance": torch.tensor(variance)}


def train(config: Config, dataset: ImageDataset, build: Callable[[], nn.Module], objective, seed: int):
    """A rede treinada, a última época do histórico e os segundos que levou."""
    batches = dataset.batches(config.batch_size, seed=seed)
    with runtime.isolated_seed(seed):
        model = build().to(runtime.device())
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr, fused=True)
    steps = config.epochs * len(batches)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=config.lr, total_steps=steps)
    step = ObjectiveStep(model, objective, optimizer, schedule)
    history = fit(step, batches, epochs=config.epochs, seed=seed, progress=False)
    return model.eval(), history.last, sum(history.seconds)


class Measurer:
    """O que se mede de cada rede, sempre nos mesmos conjuntos."""

    def __init__(self, config: Config, dataset: ImageDataset, test: ImageDataset) -> None:
        self.config, self.dataset, self.test = config, dataset, test
        self.judge = load_judge(test.take(config.judged, seed=0))

    def frechet(self, images: Tensor) -> float:
        """Distância de Fréchet de ``images`` às imagens de teste da referência."""
        return frechet_distance(self.judge.examine(images)[0], self.judge.reference)

    def mixture(self, codes: Tensor, seed: int) -> GaussianMixture:
        """A mistura de gaussianas ajustada a ``codes``."""
        fitter = GaussianMixture(self.config.components, tol=1e-2, max_iter=300, random_state=seed)
        return fitter.fit(codes.double().cpu().numpy())

    def drawn(self, mixture: GaussianMixture, decode: Callable[[Tensor], Tensor]) -> Tensor:
        """Amostras decodificadas da mistura."""
        z, _ = mixture.sample(self.config.judged)
        return decode(torch.from_numpy(z).float().to(runtime.device()))

    @torch.no_grad()
    def common(self, model: VAE, variance: float, seed: int) -> dict[str, float]:
        """Um VAE comum: taxa, distorção, ELBO, a taxa partida em duas, e a distância das amostras de cada origem."""
        terms = metrics.elbo_terms(model, self.test.images, variance=variance, seed=seed)
        split = metrics.rate_terms(model, self.dataset.images, n_draws=self.config.draws, seed=seed)
        mu, logvar = model.encode(self.test.images)
        coordinates = 0.5 * (mu.square() + logvar.expm1() - logvar).mean(0)
        with runtime.isolated_seed(seed):
            z = model.reparameterize(mu, logvar)
            x_hat = model.decode(z)
            codes = model.reparameterize(*model.encode(self.dataset.images))
            prior = model.sample(self.config.judged)
        mixture = self.mixture(codes, seed)
        # Para qualquer densidade r, KL(q‖p) é ao menos E_q[log r - log p]; z vem de imagens que a mistura não viu.
        above = torch.from_numpy(mixture.score_samples(z.double().cpu().numpy())).mean().item()
        return {
            "taxa no treino": split["rate"],
            "informação": split["information"],
            "informação, no máximo": split["information_bound"],
            "KL(q(z)‖p(z))": split["aggregate_kl"],
            "KL(q(z)‖p(z)), no mínimo": above - Normal(0.0, 1.0).log_prob(z).sum(1).mean().item(),
            "taxa": terms["kl"],
            "distorção": (x_hat - self.test.images).square().flatten(1).sum(1).mean().item(),
            "ELBO": terms["elbo"],
            "unidades ativas": float((coordinates > 0.01).sum()),
            "Fréchet, z de p(z)": self.frechet(prior),
            "Fréchet, z de q(z)": self.frechet(model.decode(codes[: self.config.judged])),
            "Fréchet, z da mistura": self.frechet(self.drawn(mixture, model.decode)),
        }

    @torch.no_grad()
    def conditional(self, model: VAE, seed: int) -> dict[str, float]:
        """Um VAE condicional: em que fração das amostras o juiz lê o dígito pedido."""
        y = torch.arange(10, device=runtime.device()).repeat(self.config.judged // 20)
        with runtime.isolated_seed(seed):
            images = model.sample(len(y), y)
        mu, logvar = model.encode(self.test.images, self.test.labels)
        kl = 0.5 * (mu.square() + logvar.expm1() - logvar).sum(1).mean().item()
        return {"obediência": (self.judge.labels(images) == y).float().mean().item(), "taxa": kl}

    @torch.no_grad()
    def planar(self, model: VAE) -> dict[str, float]:
        """Um VAE de duas coordenadas: em que fração do teste os vizinhos de treino, no plano, acertam a classe."""
        classifier = KNeighborsClassifier(self.config.neighbours)
        classifier.fit(model.encode(self.dataset.images)[0].cpu().numpy(), self.dataset.labels.cpu().numpy())
        found = classifier.predict(model.encode(self.test.images)[0].cpu().numpy())
        return {"acerto dos vizinhos": float((found == self.test.labels.cpu().numpy()).mean())}

    @torch.no_grad()
    def autoencoder(self, model: Autoencoder, seed: int) -> dict[str, float]:
        """Um autoencoder comum: a distância das amostras de uma gaussiana e da mistura ajustadas aos seus códigos."""
        model.fit_codes(self.dataset.images)
        with runtime.isolated_seed(seed):
            gaussian = model.sample(self.config.judged)
        mixture = self.mixture(model.encode(self.dataset.images), seed)
        return {
            "Fréchet, z da gaussiana": self.frechet(gaussian),
            "Fréchet, z da mistura": self.frechet(self.drawn(mixture, model.decode)),
        }


def run(config: Config, path: Path, dataset: ImageDataset, test: ImageDataset) -> Study:
    """Faz os treinamentos que faltam no estudo em ``path``, gravando-o depois de cada um, e o devolve."""
    measurer = Measurer(config, dataset, test)
    header = {
        "config": asdict(config),
        "data": {"train": dataset.name, "test": test.name},
        "judge": measurer.judge.network_hash,
    }
    thetas = {f"θ = {number(theta)}": theta for theta in THETAS}

    def train_and_measure(variant: str, seed: int) -> tuple[dict[str, float], float]:
        learn = partial(train, config, dataset, seed=seed)
        seconds = 0.0
        if variant == REAL:
            found = {"Fréchet": measurer.frechet(load_real(config, seed).images)}
        elif variant == AUTOENCODER:
            model, _, seconds = learn(partial(Autoencoder, 20, (400,), relu_code=False), reconstruction_objective)
            found = measurer.autoencoder(model, seed)
        elif variant in CONDITIONAL:
            dim, variance = CONDITIONAL[variant]
            objective = partial(gaussian_objective, variance=variance)
            model, _, seconds = learn(partial(VAE, dim, n_classes=10), objective)
            found = measurer.conditional(model, seed)
        elif variant in (PLANAR, PLANAR_UNTRAINED):
            with runtime.isolated_seed(seed):
                model = VAE(2).to(runtime.device()).eval()
            if variant == PLANAR:
                model, _, seconds = learn(partial(VAE, 2), gaussian_objective)
            found = measurer.planar(model)
        elif variant == UNTRAINED:
            with runtime.isolated_seed(seed):
                model = VAE(20).to(runtime.device()).eval()
            found = measurer.common(model, DOCUMENT_VARIANCE, seed)
        elif variant == LEARNED:
            model, last, seconds = learn(partial(VAE, 20), learned_variance_objective)
            found = measurer.common(model, last["variance"], seed) | {"σ²": last["variance"]}
        elif variant in ANNEALED:
            steps = config.epochs * len(dataset.batches(config.batch_size))
            objective = Annealed(ANNEALED[variant] / DOCUMENT_VARIANCE, steps)
            model, _, seconds = learn(partial(VAE, 20), objective)
            found = measurer.common(model, DOCUMENT_VARIANCE, seed)
        else:
            variance = thetas[variant]
            objective = partial(gaussian_objective, variance=variance)
            model, _, seconds = learn(partial(VAE, 20), objective)
            found = measurer.common(model, variance, seed)
        return {name: round(value, 4) for name, value in found.items()}, seconds

    return run_variants("clouds", path, header, config.seeds, VARIANTS, train_and_measure)


def load_real(config: Config, seed: int) -> ImageDataset:
    """Tantas imagens reais de treino quantas são as amostras julgadas: o piso da distância."""
    return load_mnist("train").take(config.judged, seed=seed).to(runtime.device())


def main(path: Path, quick: bool) -> None:
    """Faz o estudo, ou um de brinquedo."""
    config = QUICK if quick else Config()
    dataset = load_mnist("train").take(config.images, seed=0).to(runtime.device())
    run(config, path, dataset, load_mnist("test").to(runtime.device()))


if __name__ == "__main__":
    raise SystemExit(command("clouds", __doc__, main))
