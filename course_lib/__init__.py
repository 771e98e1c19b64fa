"""Biblioteca do curso *Aprendizagem Não Supervisionada em Redes Neurais*.

Os módulos importam só para baixo: ``runtime``, ``checks``, ``contracts``, ``text``, ``console`` ← ``data``,
``models`` ← ``training`` ← ``metrics`` ← ``recipes`` ← ``weights`` ← ``studies``, ``viz`` ← ``interactive`` ←
``exercises`` ← ``cli``. A correção de uma turma é outro pacote, ``course_grader``, que importa deste e nunca o
contrário.
"""

# A versão mora só aqui: o pacote a lê daqui, e os testes conferem a de CHANGELOG.md e a de CITATION.cff.
__version__ = "0.2.0"

# O endereço do repositório, e a marca do git que o Colab abre, moram só aqui: tools/publicar_como.py os muda e leva aos
# cadernos, às páginas e ao pacote.
REPOSITORY = "https://github.com/curso-redes-generativas/curso"
REVISION = "main"
