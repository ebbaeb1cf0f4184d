def moe_markdown(record, part):
    """A Markdown table of one part of what `benchmark_moe.py` writes as JSON.

    Args:
        record: dict. The content of the JSON file.
        part: `"layer"`, `"memory"` or `"model"`.

    Returns:
        string. A caption and a table.
    """
    tabulate = {"layer": _layer, "memory": _memory, "model": _model}[part]
    caption, rows = tabulate(record["flags"], record[part])
    lines = [f"| {' | '.join(row.values())} |" for row in rows]
    header = f"| {' | '.join(rows[0])} |"
    rule = f"|{' --- |' * len(rows[0])}"
    return "\n".join([caption, "", header, rule, *lines])


def _layer(flags, records):
    limit = flags["num_experts"] / flags["top_k"]
    difference = max(record["largest_difference"] for record in records)
    caption = (
        f"MoE layer, {flags['num_tokens']} tokens, width {flags['dim']}, "
        f"{flags['intermediate_dim']} hidden units, {flags['num_experts']} "
        f"experts, top {flags['top_k']}, capacity {flags['capacity_factor']} "
        "where pairs are dropped. Ratios of times: median (range). With none "
        f"dropped, einsum has {limit:.2f} and mixtral {1.5 * limit:.2f} times "
        "the FLOPs of sparse. "
        f"Largest difference between sparse and einsum: {difference:.1e}."
    )
    return caption, [
        {
            "routing (largest load)": (
                f"{record['routing']} ({100 * record['largest_load']:.0f} %)"
            ),
            "pass": record["case"],
            "compiled": record["compilation"],
            **{f"{k} (ms)": f"{v:.1f}" for k, v in record["ms"].items()},
            **_ratios(record["times_sparse"], "{} / sparse"),
        }
        for record in records
    ]


def _memory(flags, records):
    caption = (
        "Memory (MiB) that the first call of the layer adds, skewed routing, "
        "nothing dropped."
    )
    return caption, [
        {
            "pass": record["case"],
            "compiled": record["compilation"],
            **{
                key: f"{value['growth_mib']:.0f}"
                for key, value in record.items()
                if isinstance(value, dict)
            },
        }
        for record in records
    ]


def _model(flags, records):
    caption = (
        f"Inference of {flags['preset']} with {flags['num_layers']} layers and "
        f"of its dense student, batch {flags['batch_size']}. Ratios of speeds: "
        "median (range)."
    )
    return caption, [
        {
            "compiled": record["compilation"],
            **{
                f"{key} (images/s)": f"{value:.1f}"
                for key, value in record["images_per_second"].items()
            },
            **_ratios(record["times_student"], "student / {}"),
            **{
                f"FFN FLOPs, {key} / student": str(value)
                for key, value in record["ffn_flops_times_student"].items()
            },
        }
        for record in records
    ]


def _ratios(spreads, pattern):
    return {
        pattern.format(key): "{median:.2f} ({min:.2f} to {max:.2f})".format(
            **spread
        )
        for key, spread in spreads.items()
    }
