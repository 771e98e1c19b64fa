"""Os enganos automáticos que só diferem da resposta certa em entradas que a questão não promete, e por quê."""

EXCUSED: dict[tuple[str, str], dict[str, str]] = {
    ("05_stylegan", "q1"): {
        "redução, linha 3: `h.mean((1, 2))` → `h.sum((1, 2))`": "só aumenta uma diferença que já passava do limite",
        "constante, linha 6: `0.001` → `0.0005`": "estilos iguais só diferem pelo arredondamento",
    },
    ("06_cyclegan", "q3"): {
        "um a menos, linha 3: `1` → `0`": "sem passo 1 há um empate, que perde",
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
    ("02_variantes", "q4"): {
        "sem a função, linha 4: `loop.mean(0)` → `loop`": "exigir o mesmo de cada época é outro modo de acertar",
        "constante, linha 5: `0.2` → `0.1`": "a folga é de quem responde: as perdas só flutuam alguns por cento",
        "um a menos, linha 7: `0` → `-1`": "se todas são iguais à última, são iguais à primeira",
    },
    ("03_vae", "q3"): {
        "sem a função, linha 5: `error.mean().clamp(min=floor)` → `error.mean()`": "o piso é da de cada pixel",
    },
    ("03_vae", "q5"): {"comparação, linha 4: `ordered > theta` → `ordered >= theta`": "no empate a taxa dela é zero"},
    ("04_gan", "q6"): {
        "comparação, linha 2: `near.float().mean(2) >= 0.05` → `near.float().mean(2) > 0.05`": "só em 5 % exatos",
    },
    ("07_difusao", "q6"): {
        "um a mais, linha 5: `1` → `2`": "sempre cabe mais de um salto",
    },
    ("09_interpolacao", "q7"): {"argumentos trocados: codes e prior": "a conta é simétrica; só um empate a mudaria"},
}
