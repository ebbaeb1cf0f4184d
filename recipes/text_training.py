"""Training one text model, with or without a teacher."""

import devices
import keras
import numpy as np
from optimization import KeepBest, make_optimizer
from scipy import special
from train_in_stretches import train_in_stretches, with_lessons

OUTPUTS = ("masked_lm", "sentence_order")
_ROWS = 4096


def pretrain(
    model,
    corpus,
    tokenizer,
    settings,
    *,
    steps,
    learning_rate,
    seed,
    **how,
):
    """Train a masked language model (or a `Distiller`), keep its best weights.

    Args:
        model: `AlbertMaskedLM` or `ones_keras.Distiller` of one.
        corpus: `ones_keras.data.TextCorpus`.
        tokenizer: `ones_keras.data.TextTokenizer`.
        settings: `TextSettings`.
        steps: int. Training steps.
        learning_rate: float. Peak of the schedule.
        seed: int. Of the order, the segments and the masks.
        **how: `backup`, `progress` and `log`, as in `train_in_stretches`.

    Returns:
        The lowest validation loss of the masked language model, in nats a
        masked token.
    """
    strategy = devices.strategy()
    length, size = settings.sequence_length, settings.evaluation_batch_size
    validation = strategy.evaluation_batches(
        corpus.validation(tokenizer, size, length), size
    )
    with strategy.spread(model) as spread:
        compile_masked_lm(spread, settings, steps, learning_rate)
        return train_in_stretches(
            spread,
            with_lessons(
                training_batches(corpus, tokenizer, settings, seed), model
            ),
            validation,
            steps=steps,
            evaluations=settings.evaluations,
            watch=KeepBest("val_masked_lm_nats", -1),
            **how,
        )


def compile_masked_lm(model, settings, steps, learning_rate):
    """Compile a masked language model, or a `Distiller`, for so many steps."""
    model.compile(
        optimizer=make_optimizer(settings, steps, learning_rate, model),
        # Of places without a mask there is no loss, nor a share in the mean.
        loss={
            name: keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight"
            )
            for name in OUTPUTS
        },
        weighted_metrics={
            name: [
                keras.metrics.SparseCategoricalCrossentropy(
                    "nats", from_logits=True
                )
            ]
            for name in OUTPUTS
        },
    )


def training_batches(corpus, tokenizer, settings, seed):
    """A callable from steps done to the batches after them, of this host."""

    def batches(done):
        found = corpus.train(
            tokenizer,
            settings.batch_size,
            settings.sequence_length,
            seed,
            start_step=done,
        )
        return devices.strategy().own_part(found)

    return batches


def fine_tune(model, train, validation, settings, *, seed, **how):
    """Train a classifier without a teacher, keep its best weights.

    Args:
        model: `keras.Model`.
        train, validation: `ones_keras.data.TextExamples`.
        settings: `TextSettings`.
        seed: int. Of the order.
        **how: `backup`, `progress` and `log`, as in `train_in_stretches`.

    Returns:
        The best validation accuracy.
    """
    steps, strategy = settings.fine_tune_steps, devices.strategy()
    size = settings.evaluation_batch_size
    with strategy.spread(model) as spread:
        spread.compile(
            optimizer=make_optimizer(
                settings, steps, settings.fine_tune_learning_rate, spread
            ),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=None,
            weighted_metrics=["accuracy"],
        )
        return train_in_stretches(
            spread,
            lambda done: strategy.own_part(
                train.training_batches(
                    settings.fine_tune_batch_size, seed, start_step=done
                )
            ),
            strategy.evaluation_batches(validation.batches(size), size),
            steps=steps,
            evaluations=settings.evaluations,
            watch=KeepBest(),
            **how,
        )


def masked_lm_scores(model, batches):
    """What a masked language model does on a finite dataset.

    Args:
        model: `AlbertMaskedLM` or a dense student.
        batches: dataset of a `TextCorpus`.

    Returns:
        Dict: `nats` a masked token, `accuracy` of the tokens, that of the
        `order` of the segments (`None` without any that has one), the number
        of `order_examples`, and the `choices`, int array, the token that is
        first at each mask.
    """
    nats, choices, labels, orders = 0.0, [], [], []
    for x, y, weights in batches:
        x = {name: np.asarray(value) for name, value in x.items()}
        used = np.asarray(weights["masked_lm"]) > 0
        outputs = model.predict_on_batch(x)
        logits = np.asarray(outputs["masked_lm"])[used]
        choices.append(logits.argmax(-1))
        labels.append(np.asarray(y["masked_lm"])[used])
        # In pieces, as there may be gigabytes of them in float64.
        for start in range(0, len(logits), _ROWS):
            rows = logits[start : start + _ROWS].astype("float64")
            own = labels[-1][start : start + _ROWS]
            nats += special.logsumexp(rows, -1).sum()
            nats -= rows[np.arange(len(own)), own].sum()
        ordered = np.asarray(weights["sentence_order"]) > 0
        order = np.asarray(outputs["sentence_order"]).argmax(-1)
        right = order == np.asarray(y["sentence_order"])
        orders.append(right[ordered])
    choices, labels, orders = map(np.concatenate, (choices, labels, orders))
    return {
        "nats": float(nats / len(labels)),
        "accuracy": float(np.mean(choices == labels)),
        "order": float(orders.mean()) if len(orders) else None,
        "order_examples": len(orders),
        "choices": choices,
    }
