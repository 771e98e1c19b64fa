"""Um treinamento pequeno, e o mundo em volta quieto."""

from small_training import digits, one_thread, quiet

__all__ = ["digits", "one_thread", "quiet"]
