"""``python -m course_grader``, ou ``curso-corrigir``: o comando está em :mod:`course_grader.command`."""

from course_lib import console


def main() -> int:
    """O comando, desde o que ele importa."""
    with console.loading():
        from course_grader import command

    return command.main()


if __name__ == "__main__":
    raise SystemExit(main())
