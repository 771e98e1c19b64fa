"""Os estudos que os capítulos mostram em tabela, cada um feito por um programa de ``benchmarks/`` e gravado aqui."""

from course_lib.studies.samples import FLOOR, SampleRow, load_sample_floor, load_sample_rows
from course_lib.studies.store import Study, StudyError, load_study, save_study, study_command, study_path

__all__ = [
    "FLOOR",
    "SampleRow",
    "Study",
    "StudyError",
    "load_sample_floor",
    "load_sample_rows",
    "load_study",
    "save_study",
    "study_command",
    "study_path",
]
