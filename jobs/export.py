"""Export a checkpoint of a run to files that do not need this project: a Keras model and a SavedModel.

    python -m jobs.export RUN --to URL
    python -m jobs.export RUN --to gs://BUCKET/exports/first
    python -m jobs.export RUN --to URL --replace        replace an export of another checkpoint
    python -m jobs.export RUN --to URL --checkpoint best

RUN and URL are URLs of folders. The export consists of

    model.keras     ids [B, L] to logits [B, L, V], of plain Keras layers; vocabulary.json in it has the symbols
    saved_model/    with the signature `generate`: prompt, chars, diversity, seed to text
    export.json     written last: the run, step and checkpoint, the vocabulary, each file's SHA-256, the versions

Both models compute in float32. An export of the same checkpoint is left as it is. Prints the URL of export.json.
"""

from collections.abc import Sequence

from jobs.cli import command
from trainer.export.folder import ExportFolder
from trainer.runs.folder import open_run


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--to", required=True, metavar="URL", help="a new folder, or a folder with an export")
    parser.add_argument("--replace", action="store_true", help="replace an export of another checkpoint")
    command.add_checkpoint(parser)
    args = parser.parse_args(argv)
    run = open_run(args.run)
    target = ExportFolder(args.to, replace=args.replace)

    # TensorFlow takes seconds to import: import it only after the arguments are checked.
    from trainer.export.export import export_model

    print(export_model(run, target, args.checkpoint))


if __name__ == "__main__":
    command.run(main)
