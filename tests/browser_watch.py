"""O que dá errado numa página aberta no navegador: a lista que vários testes exigem vazia."""

from __future__ import annotations

from typing import Any

OURS = ("file:", "data:", "blob:", "http://localhost:")


def watch(page: Any) -> list[str]:
    """Os problemas de ``page`` daqui em diante: erros de script, avisos do console, pedidos externos ou que falham."""
    problems: list[str] = []

    def note_console(message: Any) -> None:
        if message.type in ("error", "warning"):
            problems.append(f"console: {message.text}")

    def note_request(request: Any) -> None:
        if not request.url.startswith(OURS):
            problems.append(f"pedido externo: {request.url}")

    def note_failure(request: Any) -> None:
        # Ir para outra página cancela o que a anterior ainda carregava: isso não é falta do livro.
        if request.failure != "net::ERR_ABORTED":
            problems.append(f"não carregou: {request.url} ({request.failure})")

    page.on("console", note_console)
    page.on("pageerror", lambda error: problems.append(f"erro de script: {error}"))
    page.on("request", note_request)
    page.on("requestfailed", note_failure)
    return problems
