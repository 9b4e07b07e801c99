"""How a subject stands in its picture, as a row of numbers: what sets tell, models are trained on and plans say."""

PLACING = (
    "left", "top", "right", "bottom", "kind", "drawing", "pose", "facing", "red", "green", "blue", "part",
)  # fmt: skip
"""How a subject stands: its frame, kind, drawing, pose and facing (`placing`), its median colour, 0 to 1, and whether
it is a part of another, 1 or 0."""
