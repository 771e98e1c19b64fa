// No lugar do script de 1,4 MB do tema: os ícones que o livro usa são desenhados por icons.css.
