import tensorflow as tf

from ones_keras.layers.dispatch.one_device import OneDevice


def devices_of(layer):
    """Replicas of `tf.distribute`, each with a part of the batch."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return OneDevice()
    return Replicas(context)


class Replicas(OneDevice):
    """Each computes its own tokens; only what is counted is of all.

    `MirroredStrategy` runs its replicas in turns, one up to a sum over all and
    then the next, on one layer object, whose list of losses has those of all
    of them in the end. They are told apart by the context they are of.

    Args:
        context: `tf.distribute.ReplicaContext`.
    """

    def __init__(self, context):
        self._context = context

    def sum(self, *values):
        # Its gradient is the sum of the replicas' gradients, as it should be.
        return self._context.all_reduce(
            tf.distribute.ReduceOp.SUM, list(values)
        )

    def add_loss(self, layer, loss):
        layer.add_loss(loss)
        loss.replica_context = self._context

    def own_losses(self, losses):
        return [
            loss
            for loss in losses
            if getattr(loss, "replica_context", self._context) is self._context
        ]
