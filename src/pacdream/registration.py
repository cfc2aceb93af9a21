"""What ``import pacdream`` tells Gymnasium: the dream's name, and where it is made when somebody asks for it."""

import gymnasium

ID = "pacdream/Dream-v0"
ENTRY_POINT = "pacdream.command.dream:make_env"
VECTOR_ENTRY_POINT = "pacdream.command.dream:make_vector_env"


def register() -> None:
    """Make the dream known to Gymnasium.

    Raises:
        ValueError: another environment has this name.
    """
    if (known := gymnasium.registry.get(ID)) is None:
        gymnasium.register(ID, ENTRY_POINT, vector_entry_point=VECTOR_ENTRY_POINT, disable_env_checker=True)
    elif known.entry_point != ENTRY_POINT:
        raise ValueError(f"{ID} is registered already, with {known.entry_point}: nobody else may use this name")
