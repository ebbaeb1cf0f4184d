"""Questions on one context, and the files of the shared data."""

import gzip

from ones_keras.data.text.squad import SquadQuestion

CONTEXT = "The cat sat on a mat, and the old dog ran very far home."


def question(key, *answers, context=CONTEXT, text="the dog?"):
    return SquadQuestion(
        key, text, context, tuple((a, context.index(a)) for a in answers)
    )


def unpack(shared_data, tmp_path, file):
    """The path of a SQuAD file that is kept compressed."""
    packed = shared_data / "squad" / f"{file}.gz"
    path = tmp_path / file
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path
