r"""Fine-tune an image model on CIFAR-10, without a teacher (OneS, Table 2).

    python recipes/cifar10_finetune.py --data_dir=KERAS_HOME \
        --model=runs/imagenet_ones/paper_base/student.keras --seeds=0,1,2 \
        --output_dir=runs/cifar10_finetune/student

The model's head is replaced by a linear layer on the mean over its patches, and
the images are resized to what it takes. The defaults are the paper's: SGD with
momentum, 100 epochs of 512, a peak of 0.03 that falls linearly, mixup of 0.5,
no weight decay, no label smoothing, dropout of 0.1. 5,000 of the training
images are held out, so that 100 epochs are 8789 steps. `--dataset` takes others
than CIFAR-10. Another model is another `--output_dir`.

Expected of the paper's models, with 98.4 and 98.8 % for the WideNet teachers:
98.1 % for the student of the base model (9.45M parameters) and 98.5 % for that
of the large one (13.69M). No one has run this here at that size.

`--output_dir` gets the metrics of all seeds (results.json), launch.json, and of
each seed its model and its results. Killed at any moment, the same command line
goes on where it was.
"""

import dataclasses

import devices
from absl import app
from fine_tune_seeds import fine_tune_seeds
from fine_tuning_settings import HELP, FineTuningSettings
from image_settings import HELP as IMAGE_HELP
from image_settings import ImageDataSettings
from launch import define_flags, keras_home, load_images


@dataclasses.dataclass(frozen=True)
class ImageFineTuningSettings(ImageDataSettings, FineTuningSettings):
    """Every setting of a run, described in `HELP`."""

    dataset: str = "cifar10"
    steps: int = 8789
    batch_size: int = 512
    learning_rate: float = 0.03
    optimizer: str = "sgd"
    dropout: float = 0.1
    mixup: float = 0.5


CONFIGS = {"default": {}}

define_flags(
    ImageFineTuningSettings,
    {**IMAGE_HELP, **HELP},
    CONFIGS,
)


def main(argv):
    fine_tune_seeds(
        argv,
        ImageFineTuningSettings,
        CONFIGS,
        prepare,
        train_seed,
        keras_home,
    )


def prepare(settings):
    from image_training import labelled

    from ones_keras.models import add_image_classifier

    model = load_trained(settings)
    height, width, channels = model.input_shape[1:]
    images = load_images(settings, (height, width))
    if images.image_shape[-1] != channels:
        raise ValueError(
            f"The model takes images of {channels} channels and "
            f"{settings.dataset} has {images.image_shape[-1]}. Received: "
            f"`--model={settings.model}`, `--dataset={settings.dataset}`."
        )

    def make_model():
        return add_image_classifier(
            load_trained(settings), images.num_classes, settings.dropout
        )

    def batches(start_step, seed):
        found = images.train(
            settings.batch_size,
            seed,
            start_step,
            part=devices.strategy().part,
        )
        return labelled(found, images, settings, seed, start_step)

    return images, make_model, batches


def load_trained(settings):
    import keras

    from ones_keras.models import add_image_classifier

    try:
        model = keras.models.load_model(settings.model, compile=False)
    except Exception as error:
        raise ValueError(
            f"The model could not be read ({error}). Received: "
            f"`--model={settings.model}`."
        ) from error
    add_image_classifier(model, num_classes=2)  # Says what is wrong with it.
    return model


def train_seed(settings, model, images, batches, seed, output_dir, **how):
    import numpy as np
    from fine_tuning import fit
    from image_training import loss_of, predict_logits

    fit(model, batches, loss_of(settings), settings, **how)
    logits, labels = predict_logits(
        model, images.test(settings.evaluation_batch_size)
    )
    return {
        "accuracy": float(np.mean(logits.argmax(-1) == labels)),
        "parameters": model.count_params(),
    }


if __name__ == "__main__":
    app.run(main)
