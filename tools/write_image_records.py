"""Write an image folder into sharded TFRecord files, or check such files.

    python tools/write_image_records.py --data_dir=FOLDER --output_dir=records
    python recipes/imagenet_ones.py --dataset=imagerecords --data_dir=records

Interrupted, the same command goes on with the files that are missing.
`--verify` reads all files again and names those whose SHA-256 is not what
`images.json` says:

    python tools/write_image_records.py --output_dir=records --verify
"""

import hashlib
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app, flags
from rich import progress

from ones_keras.data.image_records import check_sizes, read_manifest
from ones_keras.data.write_image_records import write_image_records

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that holds train/<class>/* and val/<class>/*."
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder of the files.", required=True
)
_VALIDATION_SHARE = flags.DEFINE_float(
    "validation_share", 0.1, "Share of the training images that is held out."
)
_SHARD_MB = flags.DEFINE_float(
    "shard_mb", 100.0, "Size of a file in millions of bytes."
)
_SEED = flags.DEFINE_integer("seed", 0, "Of the order.", lower_bound=0)
_MAX_UNREADABLE = flags.DEFINE_integer(
    "max_unreadable",
    10,
    "How many images may be left out, as they cannot be decoded.",
    lower_bound=0,
)
_VERIFY = flags.DEFINE_bool("verify", False, "Check the files that are there.")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}.")
    if _VERIFY.value == (_DATA_DIR.value is not None):
        raise app.UsageError("Give either --data_dir or --verify.")
    try:
        if _VERIFY.value:
            verify(pathlib.Path(_OUTPUT_DIR.value))
            return
        manifest = write_image_records(
            _DATA_DIR.value,
            _OUTPUT_DIR.value,
            validation_share=_VALIDATION_SHARE.value,
            shard_mb=_SHARD_MB.value,
            seed=_SEED.value,
            max_unreadable=_MAX_UNREADABLE.value,
        )
    except (ValueError, OSError) as error:
        sys.exit(f"write_image_records: {error}")
    for name, shards in manifest["splits"].items():
        examples = sum(shard["examples"] for shard in shards)
        megabytes = sum(shard["bytes"] for shard in shards) / 1e6
        print(
            f"{name}: {examples} images, {megabytes:.1f} MB in "
            f"{len(shards)} files"
        )


def verify(folder):
    """Raise a `ValueError` that names the files that are not as written."""
    manifest = read_manifest(folder)
    check_sizes(folder, manifest)
    shards = [s for shards in manifest["splits"].values() for s in shards]
    damaged = []
    for shard in progress.track(shards, description="Reading files"):
        with (folder / shard["file"]).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != shard["sha256"]:
            damaged.append(str(folder / shard["file"]))
    if damaged:
        raise ValueError(
            f"{len(damaged)} of {len(shards)} files are damaged:\n  "
            + "\n  ".join(damaged)
        )
    print(f"{folder}: all {len(shards)} files are as they were written")


if __name__ == "__main__":
    app.run(main)
