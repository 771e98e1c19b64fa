"""As definições dos exercícios: o módulo ``tema`` define ``EXERCISE``, cujo caderno é ``solutions/NN_tema.ipynb``."""
