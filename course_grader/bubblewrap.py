"""O que se vê dentro da caixa: o comando do bubblewrap que a monta, e o ambiente limpo que ela recebe."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import course_lib
from course_grader.inside.lockdown import SCRATCH, Limits

INSTALL = "instale o bubblewrap (no Debian e no Ubuntu: sudo apt-get install bubblewrap) e tente de novo"

_INSIDE = Path(__file__).parent / "inside"
# O que a caixa esconde, a partir da pasta em que o curso está instalado: o corretor, as respostas de referência e, num
# clone que more onde a caixa mostra, as soluções.
_SECRET = ("course_grader", "course_lib/exercises/definitions", "solutions", "tests", ".git")
_SYSTEM_FOLDERS = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
# O que se compilou do numba na instalação, copiado uma vez; cada entrega o lê daqui.
CACHE = "/correcao/cache"
# O Ubuntu, desde o 23.10, só deixa criar espaços de usuários a quem tem um perfil do AppArmor, e o bwrap não tem.
_RESTRICTION = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
# Falhas conhecidas: a primeira versão sem ela, o nome, e se só há no bubblewrap instalado como setuid.
_FAULTS = (((0, 12, 0), "CVE-2026-87766", False), ((0, 11, 2), "CVE-2026-41163", True))
_POWERS = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "KILL")


class SandboxError(RuntimeError):
    """A caixa isolada não existe ou não funciona aqui; a mensagem diz o que fazer."""


def require_sandbox() -> None:
    """Confere que há como isolar os estudantes aqui.

    Raises:
        SandboxError: não há; a mensagem diz como instalar.
    """
    if not sys.platform.startswith("linux"):
        raise SandboxError("a caixa isolada só existe no Linux; corrija numa máquina Linux ou no WSL2")
    if shutil.which("bwrap") is None:
        raise SandboxError(f"não achei o bwrap, que isola o código dos estudantes; {INSTALL}")
    for folder in sorted(_shown()):
        if not _readable(folder):
            raise SandboxError(
                f"você não tem permissão de ler {folder}, onde está o Python que corrige, e a caixa isolada precisa "
                "dela; corrija como o dono da pasta, ou com um Python instalado onde todos leiam"
            )
    # A caixa de verdade, com as pastas que ela mostra: uma versão do bwrap pode recusar só uma delas.
    trial = [*_assemble(Limits()), "--", *_bare_python(), "-c", ""]
    result = subprocess.run(trial, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode:
        raise SandboxError(
            f"o bwrap está instalado mas não funciona aqui ({result.stderr.strip()[:200]}): "
            f"{_what_forbids(_RESTRICTION)}"
        )


def _what_forbids(restriction: Path) -> str:
    """Por que o bwrap não consegue isolar, e o que fazer."""
    if restriction.is_file() and restriction.read_text(encoding="ascii").strip() == "1":
        return (
            "o Ubuntu proíbe a programas comuns o que ele faz; libere, até a máquina reiniciar, com "
            f"sudo sysctl -w kernel.{restriction.name}=0"
        )
    return (
        "dentro de um contêiner ou com os espaços de usuários desligados ele não tem como isolar; corrija noutra "
        "máquina ou como root"
    )


def known_faults() -> list[str]:
    """Um aviso por falha conhecida que o bubblewrap desta máquina pode ter."""
    path = shutil.which("bwrap")
    told = subprocess.run([path, "--version"], capture_output=True, text=True, errors="replace", check=False).stdout
    version = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", told)
    if version is None:
        return []
    number = tuple(int(part or 0) for part in version.groups())
    setuid = bool(os.stat(path).st_mode & stat.S_ISUID)
    return [
        f"o bubblewrap {version[0]} pode ter a {name}, que a {'.'.join(map(str, fixed))} não tem; atualize-o, se a sua "
        "distribuição não a corrigiu sem mudar o número"
        for fixed, name, only_setuid in _FAULTS
        if number < fixed and (setuid or not only_setuid)
    ]


def require_out_of_sight(*paths: Path) -> None:
    """Confere que nada do que é do professor está numa pasta que a caixa mostra aos estudantes.

    Raises:
        SandboxError: um dos caminhos está; a mensagem diz qual.
    """
    seen = {*map(Path, _SYSTEM_FOLDERS), *_shown()}
    for path in paths:
        for folder in seen:
            if path.resolve().is_relative_to(folder.resolve()):
                raise SandboxError(
                    f"{path} fica dentro de {folder}, que o código dos estudantes consegue ler; ponha o exercício, as "
                    "entregas e a saída noutra pasta (a sua, por exemplo)"
                )


def bubblewrap_command(limits: Limits) -> list[str]:
    """O comando que monta a caixa: só o sistema, o Python e a biblioteca, sem o corretor.

    Raises:
        SandboxError: não há bubblewrap.
    """
    require_sandbox()
    return _assemble(limits)


def executable() -> str:
    """O Python que corrige, por um caminho que a caixa tem: sem ``..``, e sem seguir o atalho do ambiente."""
    return str(Path(sys.executable).parent.resolve() / Path(sys.executable).name)


def shown() -> list[str]:
    """O que a caixa mostra, pelos nomes de dentro dela: o que um estudante pode ler."""
    return [*_SYSTEM_FOLDERS, *_SYSTEM_FILES, "/correcao", *sorted(map(str, _shown()))]


def _bare_python() -> list[str]:
    return [executable(), "-I", "-S"]


def _assemble(limits: Limits) -> list[str]:
    command = [shutil.which("bwrap"), "--die-with-parent", "--new-session", "--hostname", "caixa"]
    command += [*_unshare_options(), "--cap-drop", "ALL"]
    for power in _POWERS:
        command += ["--cap-add", f"CAP_{power}"]
    command += _system()
    # Antes das pastas do Python: o ambiente pode morar em /tmp, e uma pasta vazia montada depois o esconderia.
    command += _devices(limits)
    command += _python()
    command += ["--perms", "0755", "--size", str(limits.temporary_bytes), "--tmpfs", CACHE]
    command += ["--ro-bind", str(_INSIDE), "/correcao/inside"]
    # A biblioteca pode estar instalada num lugar que não é a pasta do ambiente: um atalho basta.
    command += ["--dir", "/correcao/biblioteca", "--symlink", str(_package()), "/correcao/biblioteca/course_lib"]
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]


def _system() -> list[str]:
    """As pastas do sistema, com os atalhos de umas para outras."""
    options = []
    for folder in map(Path, _SYSTEM_FOLDERS):
        if folder.is_symlink():
            options += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.is_dir():
            options += ["--ro-bind", str(folder), str(folder)]
    for file in _SYSTEM_FILES:
        # Pelo caminho de verdade: o bubblewrap 0.12 recusa atalhos, e /etc/localtime é um no Debian.
        options += ["--ro-bind-try", os.path.realpath(file), file]
    return options


def _devices(limits: Limits) -> list[str]:
    """O que não é disco: processos, dispositivos e as pastas de rascunho."""
    options = ["--proc", "/proc", "--dev", "/dev"]
    # Um /dev/zero mapeado em comum guarda memória que nenhuma conta de processo mostra; um /dev/null não se mapeia.
    options += ["--dev-bind", "/dev/null", "/dev/zero"]
    for folder in SCRATCH:
        options += ["--perms", "1777", "--size", str(limits.temporary_bytes), "--tmpfs", folder]
    return options


def _python() -> list[str]:
    """As pastas do Python e da biblioteca, sem o que é segredo, que some atrás de pastas vazias."""
    options = []
    made = {*map(Path, _SYSTEM_FOLDERS), *map(Path, SCRATCH)}
    bound = [folder for folder in map(Path, _SYSTEM_FOLDERS) if folder.is_dir() and not folder.is_symlink()]
    for folder in sorted(_shown()):
        if not any(map(folder.is_relative_to, bound)):
            options += [*_parents(folder, made), "--ro-bind", os.path.realpath(folder), str(folder)]
            bound.append(folder)
    for folder in _secrets(bound):
        options += ["--size", "4096", "--tmpfs", str(folder), "--remount-ro", str(folder)]
    return options


def _secrets(bound: Iterable[Path]) -> list[Path]:
    """O que esconder nas pastas que a caixa mostra, seja qual for a cópia do curso: a desta execução ou outra."""
    places = {_package().parent, Path(__file__).resolve().parents[1], *map(Path, [*sys.path, *_libraries()])}
    found = {(place / part).resolve() for place in places for part in _SECRET}
    seen = set()
    for folder in bound:
        # Uma pasta do Python pode ser um atalho, e é pelo nome do atalho que a caixa a mostra.
        real = folder.resolve()
        seen |= {folder / secret.relative_to(real) for secret in found if secret.is_relative_to(real)}
    return sorted(secret for secret in seen if secret.is_dir())


def environment(home: str, *, isolated: bool) -> dict[str, str]:
    """As variáveis de ambiente do processo que espera: as suas, e nenhuma de quem corrige."""
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
        "CURSO_CACHE": CACHE if isolated else "/tmp/curso",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _package() -> Path:
    return Path(course_lib.__file__).resolve().parent


def _shown() -> set[Path]:
    """As pastas do Python e da biblioteca, que a caixa mostra além das do sistema."""
    shown = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1], _package()}
    shown |= {Path(executable()).parents[1], Path(sysconfig.get_path("stdlib")), *_libraries()}
    # Um `..` passaria por pastas que a caixa não tem.
    return {Path(os.path.realpath(folder)) if ".." in folder.parts else folder for folder in shown}


def _libraries() -> set[Path]:
    """Onde os pacotes se instalam."""
    return {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}


def _readable(folder: Path) -> bool:
    try:
        os.scandir(folder).close()
    except FileNotFoundError:
        return True  # Um sistema pode citar pastas que não tem.
    except PermissionError:
        return False
    return True


def _unshare_options() -> list[str]:
    # Como root não se cria um espaço de usuários: dentro dele o root continuaria isento do limite de processos.
    names = ("ipc", "pid", "net", "uts", "cgroup-try") if os.geteuid() == 0 else ("all",)
    return [f"--unshare-{name}" for name in names]


def _parents(folder: Path, made: set[Path]) -> list[str]:
    """As pastas acima de ``folder``; por conta própria o bubblewrap as faria fechadas a outros usuários."""
    options = []
    for parent in reversed(folder.parents):
        if parent != Path("/") and parent not in made:
            options += ["--perms", "0755", "--dir", str(parent)]
            made.add(parent)
    return options
