"""O treinamento do documento de origem, reescrito a partir da descrição dele: é a referência das medidas.

Tudo o que o torna lento fica como lá: cada imagem é transformada em Python toda vez que é lida, o Adam é o não
fundido, a perda é lida com ``.item()`` a cada passo.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

from course_lib import runtime

BATCH_SIZE = 128
EPOCHS = 20


def mnist() -> Dataset:
    """O MNIST de treino pelo torchvision, com as transformações aplicadas a cada leitura."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    # Os mesmos lugares em que load_mnist procura.
    for root in (runtime.data_root(), runtime.cache_dir()):
        if root is not None and (root / "MNIST" / "raw").is_dir():
            return datasets.MNIST(str(root), train=True, transform=transform)
    raise SystemExit("As medidas precisam do MNIST verdadeiro: aponte CURSO_DADOS para a pasta que contém MNIST/raw.")


def loader(dataset: Dataset) -> DataLoader:
    """Os lotes do documento."""
    return DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True)


class DocumentAutoencoder:
    """784-256-64-256-784, erro quadrático médio, Adam com taxa 1e-4."""

    def __init__(self) -> None:
        encoder = [nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU()]
        decoder = [nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 784), nn.Tanh()]
        self.model = nn.Sequential(*encoder, *decoder)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4)
        self.criterion = nn.MSELoss()

    def epoch(self, batches: DataLoader) -> float:
        """Uma época; devolve a perda média."""
        total = 0.0
        for x, _ in batches:
            x = x.view(x.size(0), -1)
            loss = self.criterion(self.model(x), x)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * x.size(0)
        return total / len(batches.dataset)

    def reconstruct(self, x: Tensor) -> Tensor:
        """x_hat com a forma de x (B, 1, 28, 28)."""
        return self.model(x.flatten(1)).view_as(x)


class DocumentVAE:
    """784-400-20-400-784, erro quadrático dividido por 10 mais a KL, Adam com taxa 2e-3."""

    def __init__(self) -> None:
        self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
        self.to_mu, self.to_logvar = nn.Linear(400, 20), nn.Linear(400, 20)
        self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Tanh())
        networks = nn.ModuleList([self.encoder, self.to_mu, self.to_logvar, self.decoder])
        self.optimizer = torch.optim.Adam(networks.parameters(), lr=0.002)

    def epoch(self, batches: DataLoader) -> float:
        """Uma época; devolve a perda média."""
        total = 0.0
        for x, _ in batches:
            x = x.view(x.size(0), -1)
            hidden = self.encoder(x)
            mu, logvar = self.to_mu(hidden), self.to_logvar(hidden)
            std = torch.exp(0.5 * logvar)
            x_hat = self.decoder(mu + std * torch.randn_like(std))
            kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
            loss = (F.mse_loss(x_hat, x, reduction="sum") / 10 + kl) / x.size(0)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * x.size(0)
        return total / len(batches.dataset)


class DocumentGAN:
    """20-256-784 contra 784-256-1 com sigmoide, BCELoss, dois Adam com taxa 5e-4."""

    def __init__(self) -> None:
        self.gen = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 784), nn.Tanh())
        self.disc = nn.Sequential(nn.Linear(784, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1), nn.Sigmoid())
        self.gen_optimizer = torch.optim.Adam(self.gen.parameters(), lr=0.0005)
        self.disc_optimizer = torch.optim.Adam(self.disc.parameters(), lr=0.0005)
        self.criterion = nn.BCELoss()

    def epoch(self, batches: DataLoader) -> float:
        """Uma época; devolve a perda média do discriminador."""
        total = gen_total = 0.0
        for real, _ in batches:
            real = real.view(real.size(0), -1)
            ones, zeros = torch.ones(real.size(0), 1), torch.zeros(real.size(0), 1)
            self.disc_optimizer.zero_grad()
            fake = self.gen(torch.randn(real.size(0), 20))
            disc_loss = self.criterion(self.disc(real), ones) + self.criterion(self.disc(fake.detach()), zeros)
            disc_loss.backward()
            self.disc_optimizer.step()
            self.gen_optimizer.zero_grad()
            gen_loss = self.criterion(self.disc(fake), ones)
            gen_loss.backward()
            self.gen_optimizer.step()
            total += disc_loss.item()
            gen_total += gen_loss.item()
        return total / len(batches)
