"""O que roda dentro da caixa isolada, junto do código do estudante.

Esta pasta é a única parte de ``course_lib.grading`` que a caixa enxerga, e com outro nome (``inside``): por isso aqui
dentro as importações são relativas, e nada se importa de ``course_lib.grading``. Nenhum arquivo daqui sabe de valores
esperados, de sementes ocultas ou de juízes.
"""
