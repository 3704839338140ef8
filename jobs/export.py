"""A run's newest checkpoint as files that need this project no more: Keras' own, and a SavedModel.

    python -m jobs.export RUN --to URL
    python -m jobs.export RUN --to gs://BUCKET/exports/first
    python -m jobs.export RUN --to URL --replace        in place of another export that is there

RUN and URL are those of folders. In URL are afterwards

    model.keras     ids [B, L] to logits [B, L, V], of plain Keras layers; vocabulary.json in it has the symbols
    saved_model/    with the signature `generate`: prompt, chars, diversity, seed to text
    export.json     written last: the run, step and checkpoint, the vocabulary, each file's SHA-256, the versions

Both compute in float32. The same checkpoint already there: nothing to do. Prints export.json's URL.
"""

from collections.abc import Sequence

from jobs.cli import command
from trainer.export.folder import Exports
from trainer.runs.folder import open_run


def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("run", metavar="RUN")
    arguments.add_argument("--to", required=True, metavar="URL", help="a folder, new or with an export")
    arguments.add_argument("--replace", action="store_true", help="replace an export of another checkpoint")
    asked = arguments.parse_args(argv)
    run = open_run(asked.run)
    exports = Exports(asked.to, replace=asked.replace)

    # TensorFlow takes seconds to import: not before the arguments are checked.
    from trainer.export.export import export

    print(export(run, exports))


if __name__ == "__main__":
    command.run(main)
