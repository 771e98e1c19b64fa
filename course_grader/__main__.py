"""``python -m course_grader``, ou ``curso-corrigir``: o comando está em :mod:`course_grader.command`."""

import contextlib
import os
import sys
from typing import NoReturn

from course_lib import console


def main() -> NoReturn:
    """O comando, desde o que ele importa."""
    with console.loading():
        from course_grader import command

    code = command.main()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Nada mais há a gravar; ao descarregar-se, o PyTorch ocuparia mais 100 MB, que seriam o pico de todo o comando.
    os._exit(code)


if __name__ == "__main__":
    main()
