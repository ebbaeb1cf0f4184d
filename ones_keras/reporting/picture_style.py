"""What the pictures of all reports have in common."""

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"


def write_title(picture, title):
    """The heading, at the left."""
    if title:
        picture.suptitle(
            title,
            x=0.012,
            ha="left",
            fontsize=14,
            fontweight="bold",
            color=INK,
        )


def tidy(axes, grid):
    """Light lines across one axis, `"x"` or `"y"`, and no box."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.grid(axis=grid, color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5)
    axes.tick_params(axis="x", colors=MUTED)
    axes.xaxis.label.set_color(MUTED)
