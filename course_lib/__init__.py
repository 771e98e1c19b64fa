"""Biblioteca do curso *Aprendizagem Não Supervisionada em Redes Neurais*.

Os módulos importam só para baixo: ``runtime`` ← ``data``, ``models`` ← ``training`` ← ``weights``, ``metrics`` ←
``viz``, ``interactive`` ← ``grading``.
"""

__version__ = "0.1.0"

# O endereço do repositório mora só aqui (e em _config.yml, que um teste compara): troque os dois ao publicar.
REPOSITORY = "https://github.com/curso-redes-generativas/curso"
