"""Um corretor por pasta de saída: o segundo não espera nem mistura as notas, diz que há outro."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: a caixa não existe lá, e a correção sem ela é de uma pessoa só.
    fcntl = None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Só este processo corrige para ``folder`` dentro do bloco; quem morre solta a trava.

    Raises:
        ValueError: outro processo está corrigindo.
        OSError: não há como gravar na pasta.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".trava").open("ab") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"outra correção está em andamento em {folder}; espere que termine, ou dê outra pasta a --saida"
            ) from None
        except OSError:
            # Algumas pastas de rede não sabem travar.
            pass
        yield
