"""A célula que faltou rodar: quando um nome não existe na sessão, diz em que célula do caderno ele nasce.

É o engano mais comum de quem estuda num caderno: rodar uma célula antes da que ela usa, ou voltar de um núcleo
reiniciado. O Python só diz que o nome não existe; o caderno sabe onde ele nasce.
"""

from __future__ import annotations

import json
import symtable
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

# Segundos até o Colab devolver o caderno; um caderno grande demora, e um erro não pode prender a célula.
COLAB_SECONDS = 5


def bound_names(source: str) -> set[str]:
    """Os nomes que uma célula cria no caderno; nenhum, se ela não é Python (uma mágica de célula, ou um erro)."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    try:
        symbols = symtable.symtable("\n".join(lines), "célula", "exec").get_symbols()
    except (SyntaxError, ValueError):
        return set()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}


def find_cell(name: str, cells: Sequence[dict[str, Any]]) -> tuple[int, str] | None:
    """Onde o caderno cria ``name`` pela primeira vez.

    Args:
        name: o nome que faltou.
        cells: as células do caderno, na ordem, como o arquivo as guarda.

    Returns:
        A posição entre as células de código, a partir de 1, e o título da seção dela (vazio, se não há); ou ``None``.
    """
    heading, position = "", 0
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            headings = [line.lstrip("#").strip() for line in source.splitlines() if line.startswith("#")]
            heading = headings[-1] if headings else heading
        elif cell["cell_type"] == "code":
            position += 1
            if name in bound_names(source):
                return position, heading
    return None


def advice(name: str, cells: Sequence[dict[str, Any]]) -> str | None:
    """O que dizer a quem usou ``name`` antes da célula que o cria; nada, se célula nenhuma o cria."""
    found = find_cell(name, cells)
    if found is None:
        return None
    position, heading = found
    where = f"a {position}ª célula de código" + (f", em “{heading}”" if heading else "")
    return (
        f"⚠ `{name}` ainda não existe nesta sessão: quem o cria é {where}. Rode-a antes; depois de reiniciar o núcleo, "
        "rode todas as de cima (no Jupyter, Run → Run All Above Selected Cell; no Colab, Ambiente de execução → "
        "Executar antes)."
    )


def read_notebook(shell: Any, session: str | None) -> list[dict[str, Any]]:
    """As células do caderno aberto, onde o ambiente diz qual é ele; nenhuma, onde não diz.

    Args:
        shell: o interpretador do núcleo.
        session: o caminho que o Jupyter dá ao núcleo; no VS Code ele está entre os nomes do caderno.
    """
    if "google.colab" in sys.modules:
        from google.colab import _message

        answer = _message.blocking_request("get_ipynb", request="", timeout_sec=COLAB_SECONDS)
        return list(answer["ipynb"]["cells"]) if answer else []
    path = shell.user_ns.get("__vsc_ipynb_file__") or session
    if not path or not Path(path).is_file():
        return []
    return list(json.loads(Path(path).read_text(encoding="utf-8"))["cells"])


def watch(shell: Any, session: Callable[[], str | None]) -> None:
    """Daqui em diante, um nome que falta vem com a célula que o cria, depois do erro de sempre.

    Args:
        shell: o interpretador do núcleo.
        session: de onde vem o caminho do caderno, perguntado a cada erro.
    """

    def explain(
        shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, tb_offset: int | None = None
    ) -> None:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        # Uma variável local usada antes da hora é outro engano, e não se cura com outra célula.
        if type(error) is not NameError or not error.name:
            return
        try:
            message = advice(error.name, read_notebook(shell, session()))
        except Exception:
            # O conselho é a mais: o erro do aluno já está na tela, e o do conselho só o esconderia.
            return
        if message:
            print(message)

    shell.set_custom_exc((NameError,), explain)
