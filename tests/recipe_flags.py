"""The flags of a recipe that a test has imported."""

from absl import flags


def forget_recipe_flags():
    """So that another recipe or a tool can define its own of these names."""
    # They are all defined in these.
    for module in ("launch", "devices"):
        for flag in [*flags.FLAGS.flags_by_module_dict().get(module, ())]:
            delattr(flags.FLAGS, flag.name)
