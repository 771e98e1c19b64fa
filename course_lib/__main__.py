"""``python -m course_lib``: os comandos estão em :mod:`course_lib.cli`."""

import signal
import sys

if __name__ == "__main__":
    # Enquanto o PyTorch carrega, Ctrl-C só encerra: um traceback no meio de uma importação não diria nada a ninguém.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from course_lib.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        # Um terminal que não sabe escrever um acento não pode interromper uma correção.
        stream.reconfigure(errors="replace")
    raise SystemExit(main())
