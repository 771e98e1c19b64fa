"""Entregas de mentira para o corretor: honestas, parciais, trapaceiras, gulosas e malformadas, com a nota que merecem.

Todas são do exercício 09_interpolacao, que vale 8 pontos. Um ``@MUNDO@`` no código vira o caminho de uma pasta que
existe fora da caixa, com um canário e o caderno de um vizinho; um ``@PORTA@``, a porta de alguém que escuta.
"""

from corpus.base import FULL, Entry, write_all
from corpus.cheating import CHEATING
from corpus.exhausting import EXHAUSTING
from corpus.honest import HONEST
from corpus.malformed import MALFORMED

CORPUS = [*HONEST, *CHEATING, *EXHAUSTING, *MALFORMED]

__all__ = ["CORPUS", "FULL", "Entry", "write_all"]
