"""``python -m course_lib``, ou ``curso``: os comandos estão em :mod:`course_lib.cli`."""

from course_lib import console


def main() -> int:
    """O comando, desde o que ele importa."""
    with console.loading():
        from course_lib import cli

    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
