"""Biblioteca do curso *Aprendizagem Não Supervisionada em Redes Neurais*.

Os módulos importam só para baixo: ``runtime``, ``checks``, ``contracts``, ``text``, ``console`` ← ``data``,
``models`` ← ``training`` ← ``metrics`` ← ``recipes`` ← ``weights`` ← ``studies``, ``viz`` ← ``interactive`` ←
``exercises`` ← ``cli``. A correção de uma turma é outro pacote, ``course_grader``, que importa deste e nunca o
contrário.
"""

# A versão mora só aqui: o pacote a lê daqui, e os testes conferem a de CHANGELOG.md e a de CITATION.cff.
__version__ = "0.2.0"

# O endereço do repositório mora só aqui; o livro o lê daqui, e os testes conferem o dos cadernos.
REPOSITORY = "https://github.com/curso-redes-generativas/curso"
