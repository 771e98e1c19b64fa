"""Faz as vezes do ``google.colab``: o que um caderno do curso, ou o de um aluno, importa dele."""

from __future__ import annotations

from types import SimpleNamespace

drive = SimpleNamespace(mount=lambda *_, **__: None)
files = SimpleNamespace(download=lambda *_, **__: None, upload=dict)
