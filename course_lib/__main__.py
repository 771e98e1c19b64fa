"""``python -m course_lib``: os comandos estão em :mod:`course_lib.cli`."""

import signal

if __name__ == "__main__":
    # Enquanto o PyTorch carrega, Ctrl-C só encerra: um traceback no meio de uma importação não diria nada a ninguém.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from course_lib.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise SystemExit(main())
