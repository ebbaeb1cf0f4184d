"""Pictures of the trainings: learning curves and the experts' loads."""

import numpy as np
from kept_models import row_name
from training_log import read_log

from ones_keras.reporting import draw_expert_load, draw_learning_curves
from ones_keras.write_aside import write_aside


def draw_pictures(output_dir, records, panels, title):
    """Writes curves.png and experts.png.

    Args:
        output_dir: path. Each seed has its folder there.
        records: dict from seed to `SeedRecord`.
        panels: dict, as of `draw_learning_curves`.
        title: string. What was trained.
    """
    logs, loads = {}, {}
    for seed, record in records.items():
        folder = output_dir / f"seed_{seed}" / "logs"
        for result in record.results:
            log = read_log(folder / f"{row_name(result.method)}.csv")
            if log:  # A teacher that was given has none.
                logs.setdefault(result.method, []).append(log)
        for name, found in record.router.items():
            loads.setdefault(name, []).append(found["load"])
    loads = {name: np.array(shares) for name, shares in loads.items()}
    for name, picture in (
        ("curves", draw_learning_curves(logs, panels, title)),
        ("experts", draw_expert_load(loads, title)),
    ):
        with write_aside(output_dir / f"{name}.png") as aside:
            picture.savefig(aside, dpi=160)
