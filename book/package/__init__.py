"""O que se leva do livro: o site num arquivo, os cadernos limpos, o EPUB e o PDF, feitos das páginas já construídas."""
