"""Um MNIST de mentira, pequeno, com os mesmos nomes e formatos, e um servidor local que faz de espelho."""

from __future__ import annotations

import gzip
import hashlib
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import torchvision
from small_training import one_thread

from course_lib import files, runtime
from course_lib.data import images

__all__ = ["one_thread"]

SIZES = {"train": 24, "test": 10}


class FakeMNIST:
    """Os quatro arquivos, em bytes, e o que o torchvision e o curso precisam saber deles."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.pixels, self.labels, self.raw, self.tables = {}, {}, {}, {}
        for split, n in SIZES.items():
            pixels = torch.randint(0, 256, (n, 28, 28), generator=generator, dtype=torch.uint8)
            labels = torch.arange(n, dtype=torch.uint8) % 10
            self.pixels[split], self.labels[split] = pixels, labels
            image_name, label_name = (name for name, _, _ in files.MNIST_FILES[split])
            self.raw[image_name] = struct.pack(">IIII", 0x803, n, 28, 28) + pixels.numpy().tobytes()
            self.raw[label_name] = struct.pack(">II", 0x801, n) + labels.numpy().tobytes()
            self.tables[split] = tuple(
                (name, hashlib.sha256(self.raw[name]).hexdigest(), len(self.raw[name]))
                for name in (image_name, label_name)
            )
        self.archives = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in self.raw.items()}

    def write(self, root: Path, splits: tuple[str, ...] = ("train", "test")) -> Path:
        """Grava os arquivos dos ``splits`` em ``root`` e devolve ``root/MNIST/raw``."""
        folder = root / "MNIST" / "raw"
        folder.mkdir(parents=True, exist_ok=True)
        for split in splits:
            for name, _, _ in self.tables[split]:
                (folder / name).write_bytes(self.raw[name])
        return folder

    def check(self, dataset, split: str) -> None:
        """Confere que ``dataset`` é este conjunto."""
        assert dataset.is_mnist
        assert torch.equal(dataset.images, self.pixels[split].unsqueeze(1).float() / 127.5 - 1)
        assert torch.equal(dataset.labels, self.labels[split].long())


class Mirror:
    """Espelho local. ``answer[arquivo]`` troca a resposta: bytes, ou um dos nomes em ``do_GET``.

    ``pause``: quantos segundos ele para no meio de cada arquivo.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        mirror = self
        self.answer: dict[str, bytes | str] = dict(files)
        self.requests: list[str] = []
        self.pause = 0.0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[-1]
                mirror.requests.append(name)
                content = mirror.answer.get(name, "ausente")
                if content == "ausente":
                    self.send_error(404)
                    return
                cut = content == "cortado"
                body = files[name] if cut else content
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2])
                time.sleep(mirror.pause)
                self.wfile.write(b"" if cut else body[len(body) // 2 :])

            def log_message(self, *arguments) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/mnist/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        """Desliga; chamar de novo não faz nada."""
        if not self.thread.is_alive():
            return
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(autouse=True)
def network(monkeypatch):
    """Nenhum teste sai desta máquina. Devolve a lista dos endereços pedidos; só 127.0.0.1 responde."""
    asked = []
    real = urllib.request.urlopen

    def urlopen(request, *arguments, **options):
        url = request if isinstance(request, str) else request.full_url
        asked.append(url)
        if not url.startswith("http://127.0.0.1:"):
            raise urllib.error.URLError(socket.gaierror("sem rede neste teste"))
        try:
            return real(request, *arguments, **options)
        except urllib.error.HTTPError as error:
            error.close()  # o torchvision não fecha a resposta, e aqui aviso é erro
            raise

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return asked


@pytest.fixture(autouse=True)
def no_data_in_use(monkeypatch):
    """Nenhum conjunto carregado ainda."""
    monkeypatch.setattr(images, "_last_loaded", {})


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path):
    """Ambiente limpo, cache numa pasta do teste e nenhum aviso dado ainda. Devolve a pasta do cache."""
    monkeypatch.delenv("CURSO_DADOS", raising=False)
    monkeypatch.setenv("CURSO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime, "_noticed", set())
    return tmp_path / "cache"


@pytest.fixture
def fake(monkeypatch):
    """O MNIST de mentira no lugar do verdadeiro, com espelhos que não existem."""
    fake = FakeMNIST()
    monkeypatch.setattr(files, "MNIST_FILES", fake.tables)
    mnist = torchvision.datasets.MNIST
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in fake.archives.items()]
    monkeypatch.setattr(mnist, "resources", resources)
    monkeypatch.setattr(mnist, "mirrors", ["http://espelho.invalid/mnist/"])
    return fake


@pytest.fixture
def make_mirror(fake):
    """Cria espelhos locais com os arquivos bons e os desliga no fim."""
    mirrors = []

    def make() -> Mirror:
        mirrors.append(Mirror(fake.archives))
        return mirrors[-1]

    yield make
    for mirror in mirrors:
        mirror.close()


@pytest.fixture
def mirror(make_mirror, monkeypatch):
    """Um espelho local com os arquivos bons, o único que o torchvision conhece."""
    mirror = make_mirror()
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [mirror.url])
    return mirror
