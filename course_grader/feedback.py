"""O pacote de devolutivas que o Moodle importa: o relatório de cada estudante, com o número dele no nome."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from course_grader.batch import Marked
from course_grader.report import report_name
from course_lib.files import write_atomically

# Um zip guarda datas; esta, sempre a mesma, faz com que o mesmo conteúdo dê os mesmos bytes.
_DATE = (2026, 1, 1, 0, 0, 0)


def write_feedback(
    folder: Path, marked: list[Marked], participants: Mapping[str, str]
) -> tuple[Path | None, list[str]]:
    """Grava ``devolutivas.zip``, para "Enviar vários arquivos de feedback em um zip", no Moodle.

    Args:
        folder: a pasta de saída, em que já estão os relatórios.
        marked: as entregas.
        participants: o número do Moodle de quem não o tem na entrega, pela chave dela.

    Returns:
        O endereço do pacote (``None`` se ninguém tem número), e quem ficou de fora por não ter um.

    Raises:
        OSError: sem espaço ou sem permissão.
    """
    buffer, left = io.BytesIO(), []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in marked:
            if entry.result is None:
                continue
            submission = entry.submission
            number = submission.identifier or participants.get(submission.key, "")
            if not number.isdigit():
                left.append(submission.student)
                continue
            # O Moodle lê o número entre o primeiro e o segundo sublinhado.
            person = submission.student.replace("_", " ").replace("/", " ").replace("\\", " ")
            name = f"{person}_{number}_assignfeedback_file_relatorio.html"
            archive.writestr(zipfile.ZipInfo(name, _DATE), (folder / report_name(entry)).read_bytes())
        if not archive.namelist():
            return None, left
    path = folder / "devolutivas.zip"
    write_atomically(path, lambda file: file.write(buffer.getvalue()))
    return path, left
