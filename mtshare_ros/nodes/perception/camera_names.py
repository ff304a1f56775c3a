"""How the topics and services of one of several cameras are called."""


def name_for(camera: str, name: str) -> str:
    """Return a relative topic or service as a camera has it; one without a name changes none."""
    return f'{camera}/{name}' if camera else name
