"""Training of models of one shape, side by side, in compiled loops on JAX."""

import jax
import numpy as np
from jax import numpy as jnp

from ones_keras.training import TrainingStopped

# Steps of a loop. After it there may be a backup.
_LOOP = 100


def train_in_scans(models, steps, validation, evaluations, backup, progress):
    """Train masked language models, and give each its best weights.

    Args:
        models: list of compiled `keras.Model`s of the same layers, or
            `Distiller`s of such and of the same teacher.
        steps: nested tuple of arrays. The batches `(x, y, sample_weight)` of
            all steps, one behind the other along the first axis.
        validation: list of such batches. What each stretch ends with.
        evaluations: int. Equal stretches.
        backup: `ScanBackup`. What a training that was interrupted goes on
            from.
        progress: callable, given the steps done and, after a stretch, the
            lowest loss.

    Returns:
        The lowest validation loss of each model, in nats a masked token, and
        for each the rows of its log.

    Raises:
        TrainingStopped: If a loss is not finite, if the backup cannot be
            read, and after SIGTERM.
    """
    first, together = models[0], len(models) > 1
    # An argument, as in `Distiller.fit`, and one of all models.
    teacher = getattr(first, "teacher_signal", None)
    teacher = teacher and teacher.state

    def stretch(teacher, state, batches):
        def step(state, batch):
            if teacher is not None:
                batch = teacher, batch
            logs, state = first.train_step(state, batch)
            return state, logs

        state, logs = jax.lax.scan(step, state, batches)
        return state, jax.tree.map(lambda values: values[-1], logs)

    def loss(state, batch):
        x, y, weights = batch
        outputs, _ = first.stateless_call(*state[:2], x, training=False)
        chances = jax.nn.log_softmax(outputs["masked_lm"].astype("float32"))
        labels, weights = y["masked_lm"], weights["masked_lm"]
        nats = -jnp.take_along_axis(chances, labels[..., None], -1)[..., 0]
        return jnp.sum(weights * nats), jnp.sum(weights)

    states = _states(models, validation[0])
    if together:
        stretch = jax.vmap(stretch, in_axes=(None, 0, None))
        loss = jax.vmap(loss, in_axes=(0, None))
        state = jax.tree.map(lambda *values: jnp.stack(values), *states)
    else:
        state = states[0]
    stretch, loss = jax.jit(stretch), jax.jit(loss)

    total = len(jax.tree.leaves(steps)[0])
    unused = state[3]
    weights = [state[:2] for state in states]
    best, rows = [np.inf] * len(models), [[] for _ in models]
    done = 0
    ends = [n * total // evaluations for n in range(1, evaluations + 1)]
    with backup:
        found = backup.read((state, weights))
        if found:
            (state, weights), (done, best, rows) = found
        if done == total:
            progress(done, min(best))
        for end in ends[len(rows[0]) :]:
            while done < end:
                upto = min(done + _LOOP, end)
                part = jax.tree.map(lambda a, s=slice(done, upto): a[s], steps)
                state, logs = stretch(teacher, state, part)
                # Awaited, so that a backup is of what is done.
                jax.block_until_ready(state)
                done = upto
                progress(done)
                # With the last loop of a stretch its validation belongs
                # together.
                if done < end:
                    backup.offer((state, weights), (done, best, rows))
            nats, count = np.sum(
                [loss(state, batch) for batch in validation], 0
            )
            losses = np.atleast_1d(nats / count)
            if not np.isfinite(losses).all():
                raise TrainingStopped(
                    f"A validation loss is not finite after {end} steps: "
                    f"{losses}."
                )
            first.optimizer.iterations.assign(end)
            rate = float(first.optimizer.learning_rate)
            for index, lowest in enumerate(losses):
                own = index if together else ...
                rows[index].append(
                    {
                        "step": end,
                        "learning_rate": rate,
                        **{name: float(v[own]) for name, v in logs.items()},
                        "val_masked_lm_nats": float(lowest),
                    }
                )
                if lowest < best[index]:
                    best[index] = float(lowest)
                    weights[index] = jax.tree.map(
                        lambda value, own=own: value[own], state[:2]
                    )
            # The means of metrics are those of a stretch.
            state = *state[:3], unused
            backup.offer((state, weights), (done, best, rows))
            progress(done, min(best))
    for model, (trainable, other) in zip(models, weights, strict=True):
        for variables, values in (
            (model.trainable_variables, trainable),
            (model.non_trainable_variables, other),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
    return best, rows


def _states(models, batch):
    """What `train_step` takes and returns, of each model."""
    x, y, weights = batch
    # The one way to have Keras make the metrics.
    models[0].evaluate(x, y, sample_weight=weights, verbose=0)
    models[0].reset_metrics()
    states = []
    for model in models:
        model.optimizer.build(model.trainable_variables)
        states.append(
            tuple(
                [variable.value for variable in variables]
                for variables in (
                    model.trainable_variables,
                    model.non_trainable_variables,
                    model.optimizer.variables,
                    # All begin at nothing.
                    models[0].metrics_variables,
                )
            )
        )
    return states
