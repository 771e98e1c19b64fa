"""Biblioteca do curso *Aprendizagem Não Supervisionada em Redes Neurais*.

Os módulos importam só para baixo: ``runtime`` ← ``data``, ``models`` ← ``training`` ← ``weights``, ``metrics`` ←
``viz``, ``interactive`` ← ``exercises``. O corretor de turmas é outro pacote, ``course_grader``, que importa este.
"""

__version__ = "0.1.0"

# O endereço do repositório mora só aqui; o livro o lê daqui, e os testes conferem o dos cadernos.
REPOSITORY = "https://github.com/curso-redes-generativas/curso"
