"""Treinamento: um só laço, passos explícitos, histórico e retomada."""

from course_lib.training.ema import EMA
from course_lib.training.fit import NonFiniteLossError, ObjectiveStep, fit
from course_lib.training.history import History

__all__ = ["EMA", "History", "NonFiniteLossError", "ObjectiveStep", "fit"]
