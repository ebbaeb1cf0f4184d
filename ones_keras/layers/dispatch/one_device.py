class OneDevice:
    """All tokens and all experts in one place."""

    def dispatch(self, compute, tokens, probabilities, mask, bank):
        """Calls `compute`, the dispatch of some tokens to some experts.

        Args:
            compute: callable, given the next four and the number of the first
                expert of the bank. It returns a `Dispatched`.
            tokens: `(T, D)`.
            probabilities: `(T, E)` float32.
            mask: `(T,)` bool or `None`.
            bank: `ExpertBank`.

        Returns:
            A `Dispatched`, with the load of the whole batch.
        """
        return compute(tokens, probabilities, mask, bank, 0)

    def sum(self, *values):
        """Each value, summed over all that have a part of the batch."""
        return values

    def add_loss(self, layer, loss):
        """`layer.add_loss` of a loss that is the same on all of them."""
        layer.add_loss(loss)

    def own_losses(self, losses):
        """Those that were added here, of the losses of a layer."""
        return losses


# Of a function that is not told of devices.
alone = OneDevice().sum
