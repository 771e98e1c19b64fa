"""Exercícios: as questões, cada uma com o sorteio, a resposta e os enganos, e a conferência que se faz no caderno."""

from course_lib.exercises.verify import CheckFailed, Verifier, open_exercise

__all__ = ["CheckFailed", "Verifier", "open_exercise"]
