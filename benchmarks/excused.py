"""Os enganos automáticos que só diferem da resposta certa em entradas que a questão não promete, e por quê."""

EXCUSED: dict[tuple[str, str], dict[str, str]] = {}
