"""A caixa isolada: o bubblewrap monta o mundo que o código do estudante vê, e nele não há nada para levar."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import course_lib
from course_lib.grading.channel import Channel, MemoryAbuse
from course_lib.grading.inside.lockdown import Limits
from course_lib.grading.inside.wire import Caps

INSTALL = "instale o bubblewrap (no Debian e no Ubuntu: sudo apt-get install bubblewrap) e tente de novo"

# Usuários que não são de ninguém; um por caixa, para que o limite de processos de uma não conte os de outra.
FIRST_USER, USERS = 61_000, 4_000

_INSIDE = Path(__file__).parent / "inside"
_SYSTEM_FOLDERS = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
_POWERS = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "KILL", "SYS_RESOURCE", "SYS_CHROOT")


class SandboxError(RuntimeError):
    """A caixa isolada não existe ou não funciona aqui; a mensagem diz o que fazer."""


@dataclass(frozen=True)
class Confinement:
    """Como cada processo de estudante é confinado.

    Attributes:
        isolated: se há caixa; sem ela o código do estudante roda como quem corrige, e pode tudo.
        nested: se se tenta dar a cada entrega os seus espaços dentro da mesma caixa; onde não dá, cada uma tem a sua.
        limits: tetos de cada processo.
        total_memory: teto da soma de todos os processos de uma entrega, em bytes.
        caps: quanto uma resposta pode ocupar.
        start_seconds: quanto a caixa pode levar para ficar pronta.
    """

    isolated: bool = True
    nested: bool = True
    limits: Limits = field(default_factory=Limits)
    total_memory: int = 5 * 2**29
    caps: Caps = field(default_factory=Caps)
    start_seconds: float = 300.0


class Sandbox:
    """Uma caixa com o PyTorch importado, que serve a uma entrega de cada vez.

    Args:
        confinement: os limites.
        slot: número desta caixa entre as que rodam ao mesmo tempo.
    """

    def __init__(self, confinement: Confinement, slot: int = 0) -> None:
        self.confinement = confinement
        self.slot = slot
        self._process: subprocess.Popen | None = None
        self._control: socket.socket | None = None
        self._channel: Channel | None = None
        self._reusable = False
        self._abandoned = False

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> Channel:
        """Um processo novo, e o canal com ele; o anterior, se havia, é morto.

        Raises:
            SandboxError: a caixa não funciona.
        """
        self.kill()
        if self._abandoned:
            raise SandboxError("a correção foi interrompida")
        if self._process is None or self._process.poll() is not None:
            self._launch()
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._control, [b"s"], [theirs.fileno()])
            failure = self._answer(10.0)
        except OSError as error:
            failure = str(error)
        finally:
            theirs.close()
        if failure:
            ours.close()
            self.close()
            raise SandboxError(f"não consegui criar o processo isolado: {failure}")
        self._channel = Channel(ours, self.confinement.caps, self._watch)
        return self._channel

    def kill(self) -> None:
        """Mata o processo do estudante com tudo o que ele tenha criado."""
        if self._channel is None:
            return
        self._channel.close()
        self._channel = None
        if not self._reusable:
            self.close()
            return
        try:
            self._control.sendall(b"k")
            self._answer(10.0)
        except OSError:
            # O processo que espera não respondeu: a caixa inteira vai embora, e a próxima entrega ganha outra.
            self.close()

    def abandon(self) -> None:
        """Mata a caixa a partir de outra linha de execução, para que quem a usa pare de esperar."""
        self._abandoned = True
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Desfaz a caixa."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            # Com o controle fechado, quem espera sai sozinho, se puder.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
            # O grupo inteiro: sem a caixa, os filhos do estudante não morrem com o pai.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process.stderr.close()
            self._process = None

    def _launch(self) -> None:
        self.close()
        ours, theirs = socket.socketpair()
        options = {
            "limits": asdict(self.confinement.limits),
            "isolate": self.confinement.isolated and self.confinement.nested,
            "strict": self.confinement.isolated,
            "user": FIRST_USER + (os.getpid() * 16 + self.slot) % USERS if self.confinement.isolated else 0,
        }
        python = [sys.executable, "-s", "-P", "-m", "inside", str(theirs.fileno()), json.dumps(options)]
        command = (
            python if not self.confinement.isolated else [*bubblewrap_command(self.confinement.limits), "--", *python]
        )
        home = "/tmp" if self.confinement.isolated else os.devnull
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=_environment(home, isolated=self.confinement.isolated),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        self._control = ours
        try:
            hello = json.loads(self._answer(self.confinement.start_seconds))
        except (OSError, ValueError):
            failure = self._last_words()
            self.close()
            raise SandboxError(f"a caixa isolada não abriu ({failure}); {INSTALL}") from None
        # Daqui em diante ninguém lê o que ela escreve.
        self._process.stderr.close()
        self._reusable = hello["isolate"]
        if hello["failure"]:
            self.close()
            raise SandboxError(f"a caixa isolada abriu, mas não se tranca: {hello['failure']}")

    def _answer(self, seconds: float) -> str:
        """Uma linha do processo que espera, que é de confiança.

        Raises:
            OSError: ele morreu ou não respondeu no prazo.
        """
        line, limit = b"", time.monotonic() + seconds
        while not line.endswith(b"\n"):
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self._control], [], [], left)[0]:
                raise TimeoutError("a caixa isolada não respondeu")
            chunk = self._control.recv(4096)
            if not chunk:
                raise ConnectionResetError("a caixa isolada se fechou")
            line += chunk
        return line.decode().strip()

    def _last_words(self) -> str:
        os.killpg(self._process.pid, signal.SIGKILL)
        said = self._process.stderr.read().decode("utf-8", errors="replace").strip()
        return said.splitlines()[-1][:300] if said else "sem mensagem"

    def _watch(self) -> None:
        """Confere a memória somada dos processos da caixa.

        Raises:
            MemoryAbuse: passou do teto.
        """
        limit, root = self.confinement.total_memory, self._process.pid
        if tree_memory(root) > limit and (used := shared_out_memory(root)) > limit:
            raise MemoryAbuse(f"os processos usavam {used / 2**30:.1f} GB".replace(".", ","))


def require_sandbox() -> None:
    """Confere que há como isolar os estudantes aqui.

    Raises:
        SandboxError: não há; a mensagem diz como instalar.
    """
    if not sys.platform.startswith("linux"):
        raise SandboxError("a caixa isolada só existe no Linux; corrija numa máquina Linux ou no WSL2")
    if shutil.which("bwrap") is None:
        raise SandboxError(f"não achei o bwrap, que isola o código dos estudantes; {INSTALL}")
    trial = ["bwrap", *_unshare_options(), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    result = subprocess.run(trial, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode:
        raise SandboxError(
            f"o bwrap está instalado mas não funciona aqui ({result.stderr.strip()[:200]}): dentro de um contêiner ou "
            "com os espaços de usuários desligados ele não tem como isolar; corrija noutra máquina ou como root"
        )


def bubblewrap_command(limits: Limits) -> list[str]:
    """O comando que monta a caixa: só o sistema, o Python e a biblioteca, sem o corretor.

    Raises:
        SandboxError: não há bubblewrap.
    """
    require_sandbox()
    package = Path(course_lib.__file__).resolve().parent
    shown = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1], package}
    shown |= {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")}
    command = [shutil.which("bwrap"), "--die-with-parent", "--new-session", "--hostname", "caixa"]
    command += [*_unshare_options(), "--cap-drop", "ALL"]
    for power in _POWERS:
        command += ["--cap-add", f"CAP_{power}"]
    made: set[Path] = set()
    for folder in map(Path, _SYSTEM_FOLDERS):
        if folder.is_symlink():
            command += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.is_dir():
            command += ["--ro-bind", str(folder), str(folder)]
        made.add(folder)
    for file in _SYSTEM_FILES:
        command += ["--ro-bind-try", file, file]
    bound = [Path("/usr")]
    for folder in sorted(shown):
        if not any(map(folder.is_relative_to, bound)):
            command += [*_parents(folder, made), "--ro-bind", str(folder), str(folder)]
            bound.append(folder)
    # As definições dos exercícios, com as respostas de referência, somem atrás de uma pasta vazia; também as de outra
    # cópia da biblioteca que esteja instalada num lugar que a caixa mostra.
    copies = {package / "grading", *(Path(place, "course_lib", "grading").resolve() for place in sys.path)}
    for folder in sorted(copies):
        if folder.is_dir() and any(map(folder.is_relative_to, bound)):
            command += ["--size", "4096", "--tmpfs", str(folder), "--remount-ro", str(folder)]
    command += ["--dir", "/correcao", "--ro-bind", str(_INSIDE), "/correcao/inside"]
    # A biblioteca pode estar instalada num lugar que não é a pasta do ambiente: um atalho basta.
    command += ["--dir", "/correcao/biblioteca", "--symlink", str(package), "/correcao/biblioteca/course_lib"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/dev/shm"):
        command += ["--perms", "1777", "--size", str(limits.temporary_bytes), "--tmpfs", folder]
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]


def _unshare_options() -> list[str]:
    # Como root não se cria um espaço de usuários: dentro dele o root continuaria isento do limite de processos.
    names = ("ipc", "pid", "net", "uts", "cgroup-try") if os.geteuid() == 0 else ("all",)
    return [f"--unshare-{name}" for name in names]


def tree_memory(root: int) -> int:
    """Bytes de memória própria de ``root`` e de todos os seus descendentes, contados por alto: nunca de menos.

    Um filho recém-nascido divide com o pai quase toda a memória, que aqui conta duas vezes.
    """
    return sum(_memory(pid, "status", ("RssAnon:", "RssShmem:")) for pid in _tree(root))


def shared_out_memory(root: int) -> int:
    """O mesmo, com cada página contada uma vez só; custa alguns milissegundos por processo."""
    return sum(_memory(pid, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) for pid in _tree(root))


def _memory(pid: int, file: str, fields: tuple[str, ...]) -> int:
    try:
        with open(f"/proc/{pid}/{file}", encoding="ascii", errors="replace") as lines:
            return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(fields))
    except OSError:
        return 0  # Terminou enquanto olhávamos.


def _tree(root: int) -> list[int]:
    found, pending = [], [root]
    while pending:
        pid = pending.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                    pending += map(int, file.read().split())
    return found


def _parents(folder: Path, made: set[Path]) -> list[str]:
    """As pastas acima de ``folder``; por conta própria o bubblewrap as faria fechadas a outros usuários."""
    options = []
    for parent in reversed(folder.parents):
        if parent != Path("/") and parent not in made:
            options += ["--perms", "0755", "--dir", str(parent)]
            made.add(parent)
    return options


def _environment(home: str, *, isolated: bool) -> dict[str, str]:
    path = (
        "/correcao:/correcao/biblioteca"
        if isolated
        else os.pathsep.join([str(_INSIDE.parent), str(Path(course_lib.__file__).resolve().parents[1])])
    )
    return {
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": home,
        "USER": "estudante",
        "LOGNAME": "estudante",
        "CURSO_PERFIL": "rapido",
        "CURSO_DISPOSITIVO": "cpu",
        "CURSO_CACHE": "/tmp/curso",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
