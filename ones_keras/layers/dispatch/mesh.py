import jax
import keras
from jax.sharding import PartitionSpec

from ones_keras.layers.dispatch.dispatched import Dispatched
from ones_keras.layers.dispatch.expert_bank import ExpertBank
from ones_keras.layers.dispatch.one_device import OneDevice


def devices_of(layer):
    """The mesh of `keras.distribution`, with tokens and maybe experts on it."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return OneDevice()
    layout = distribution.get_variable_layout(layer.up_kernel)
    return Mesh(
        distribution.device_mesh.backend_mesh,
        distribution.batch_dim_name,
        layout.axes[0] if layout is not None else None,
        layer.num_experts,
    )


class Mesh(OneDevice):
    """Devices with a part of the batch each, and all or some of the experts.

    Left to itself, XLA would sort the tokens of the whole batch and copy them
    to every device. Here a device dispatches its own tokens; where experts are
    spread too, each computes those that it has, and the outputs are summed.

    Args:
        mesh: `jax.sharding.Mesh`.
        batch_axis: string. Axis of the mesh that the batch is spread over.
        expert_axis: string or `None`. That of the experts.
        num_experts: int. Experts in all.
    """

    def __init__(self, mesh, batch_axis, expert_axis, num_experts):
        self._mesh = mesh
        self._batch_axis = batch_axis
        self._expert_axis = expert_axis
        if expert_axis == batch_axis:
            raise ValueError(
                "The experts must be spread over another axis of the mesh than "
                "the batch: each device has to see all experts of its tokens. "
                f"Received: {expert_axis!r} for both."
            )
        if expert_axis and num_experts % mesh.shape[expert_axis]:
            raise ValueError(
                "The experts must be a multiple of the devices that they are "
                f"spread over. Received: `num_experts={num_experts}` and "
                f"{mesh.shape[expert_axis]} devices on the axis "
                f"{expert_axis!r}."
            )

    def dispatch(self, compute, tokens, probabilities, mask, bank):
        parts = self._mesh.shape[self._batch_axis]
        if not isinstance(tokens.shape[0], int) or tokens.shape[0] % parts:
            # A batch that cannot be cut, as a first look at the model has.
            return compute(tokens, probabilities, mask, bank, 0)

        def local(tokens, probabilities, mask, bank):
            first = 0
            if self._expert_axis:
                own = bank.up_kernel.shape[0]
                first = jax.lax.axis_index(self._expert_axis) * own
            found = compute(tokens, probabilities, mask, bank, first)
            if self._expert_axis:
                outputs, pairs = jax.lax.psum(
                    (found.outputs, found.pairs), self._expert_axis
                )
                found = found._replace(outputs=outputs, pairs=pairs)
            load = jax.lax.psum(found.load, self._batch_axis)
            return found._replace(load=load)

        rows = PartitionSpec(self._batch_axis)
        choices = PartitionSpec(None, self._batch_axis)
        spread = jax.shard_map(
            local,
            mesh=self._mesh,
            in_specs=(rows, rows, rows, PartitionSpec(self._expert_axis)),
            out_specs=Dispatched(rows, PartitionSpec(), choices, choices),
        )
        return spread(tokens, probabilities, mask, ExpertBank(*bank))
