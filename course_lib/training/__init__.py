"""Treinamento: um só laço, passos explícitos, histórico e retomada."""

from course_lib.training.ema import EMA
from course_lib.training.finite import NonFiniteLossError
from course_lib.training.fit import fit
from course_lib.training.history import History
from course_lib.training.step import ObjectiveStep

__all__ = ["EMA", "History", "NonFiniteLossError", "ObjectiveStep", "fit"]
