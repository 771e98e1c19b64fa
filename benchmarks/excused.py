"""Os enganos automáticos que só diferem da resposta certa em entradas que a questão não promete, e por quê."""

EXCUSED: dict[tuple[str, str], dict[str, str]] = {
    ("06_cyclegan", "q3"): {
        "um a menos, linha 3: `1` → `0`": "a pilha sem passo 1 empata com outra, que fica",
        "sinal, linha 3: `field + 1` → `field - 1`": "o fim da busca: nenhuma pilha boa tem tantas camadas",
        "parcela ou fator, linha 3: `field + 1` → `field`": "o fim da busca: nenhuma pilha boa tem tantas camadas",
    },
    ("08_fluxos", "q1"): {"fator do argumento: mask = mask²": "a máscara é de zeros e uns"},
    ("10_comparacao", "q2"): dict.fromkeys(
        (
            "sinal, linha 3: `distances - distances.mean()` → `distances + distances.mean()`",
            "parcela ou fator, linha 3: `distances - distances.mean()` → `distances`",
            "redução, linha 3: `distances.mean()` → `distances.sum()`",
        ),
        "os desvios do outro fator somam zero, e uma constante aqui não muda a inclinação",
    ),
}
