"""Exercícios: as questões, com as suas entradas e os seus juízes, e a conferência que o estudante faz no caderno."""

from course_lib.exercises.verify import CheckFailed, Verifier, open_exercise

__all__ = ["CheckFailed", "Verifier", "open_exercise"]
