"""Exercícios: a definição de cada questão, a conferência que o estudante faz no caderno e a geração dos cadernos."""

from course_lib.exercises.verify import CheckFailed, Verifier, open_exercise

__all__ = ["CheckFailed", "Verifier", "open_exercise"]
