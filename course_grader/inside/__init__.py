"""O que roda dentro da caixa isolada, junto do código do estudante.

Esta pasta é a única parte de ``course_grader`` que a caixa enxerga, e com outro nome (``inside``): por isso aqui dentro
as importações são relativas, e só ``course_lib`` se importa de fora. Nenhum arquivo daqui sabe de valores esperados, de
sementes ocultas ou de juízes.
"""
