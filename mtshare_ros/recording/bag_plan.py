"""What a run over a bag is to do, and where it writes."""

from dataclasses import dataclass, replace
from pathlib import Path
import re
from typing import Any, TYPE_CHECKING

from mtshare_ros.errors import ConfigError, RecordingError
from mtshare_ros.file_paths import check_parent
from mtshare_ros.inference.map_outputs import choose_outputs, offered_outputs
from mtshare_ros.motion.motion_settings import MotionSettings
from mtshare_ros.sharing.sharing_settings import SharingSettings

if TYPE_CHECKING:  # the machine of a fleet's command plans without PyTorch
    from mtshare_ros.inference.engine import Engine

_NAMESPACE = re.compile(r'[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)


@dataclass(frozen=True)
class BagPlan:
    """
    Which outputs of which bag are written into which new bag.

    ``image_topic`` and ``calibration_topic`` are topics of the input, the latter empty for none.
    ``outputs`` are relative topics, put below ``namespace``. ``start_s`` and ``end_s`` count from
    the input's beginning. ``segment`` is the number of images in a file of the new bag, which a
    later run keeps once it is complete; ``warm_up`` that of the images before each of them that
    are computed first and not written. ``camera_matrix`` is one of CAMERA_MATRICES.
    """

    source: Path
    target: Path
    storage: str
    image_topic: str
    calibration_topic: str
    outputs: tuple[str, ...] = ()
    namespace: str = ''
    copy_input: bool = False
    start_s: float | None = None
    end_s: float | None = None
    segment: int = 250
    warm_up: int = 0
    overwrite: bool = False
    camera_matrix: str = 'auto'
    # a given crossover is not measured; measurements differ from run to run, and the maps would
    # with them
    sharing: SharingSettings = SharingSettings(crossover=1.0)
    motion: MotionSettings = MotionSettings()

    def with_outputs(self, text: str | None, engine: 'Engine') -> 'BagPlan':
        """Return the plan with the outputs that ``--topics`` names, None for the default."""
        relative = engine.description.architecture.relative_depth
        offered = offered_outputs(engine.tasks, relative)
        return replace(self, outputs=choose_outputs(text, offered, '--topics'))

    def identity(self, engine: 'Engine') -> dict[str, Any]:
        """Return what must be equal for this run to go on with an interrupted one."""
        from mtshare_ros.inference.machine_costs import choices_of

        model = engine.file.sha256 if engine.file is not None else ''
        files = [self.source] if self.source.is_file() else self.source.rglob('*')
        size = sum(file.stat().st_size for file in files if file.is_file())
        return {
            'input': str(self.source.resolve()), 'bytes of the input': size,
            'model': model, 'input size': list(engine.input_size), 'storage': self.storage,
            'image topic': self.image_topic, 'camera_info topic': self.calibration_topic,
            'topics': list(self.outputs), 'namespace': self.namespace,
            'copied input': self.copy_input, 'start': self.start_s, 'end': self.end_s,
            'segment': self.segment, 'warm-up': self.warm_up, 'camera matrix': self.camera_matrix,
            'sharing': repr(self.sharing), 'motion': repr(self.motion),
            **{name.replace('_', ' '): value
               for name, value in choices_of(engine, self.sharing).items()},
        }

    def prepare_target(self) -> None:
        """
        Raise RecordingError where the target cannot or must not be written.

        Only a bag is ever overwritten, and an existing one is kept until the new one is complete.
        """
        target = self.target
        if self.namespace and not _NAMESPACE.fullmatch(self.namespace):
            raise ConfigError(
                f'--namespace is {self.namespace!r}; allowed are names of letters, digits and _, '
                'none of them beginning with a digit, with / between them')
        if target.suffix in ('.mcap', '.db3'):
            raise RecordingError(f'{target}: a bag is a folder; leave out {target.suffix}')
        check_parent(target)
        if target.resolve() == self.source.resolve():
            raise RecordingError(f'{target}: is the input; give another OUT')
        if not target.exists():
            return
        if not self.overwrite:
            raise RecordingError(f'{target}: exists already; give another OUT, or --overwrite')
        if not (target / 'metadata.yaml').is_file():
            raise RecordingError(f'{target}: exists and is no bag, so it is not overwritten; '
                                 'give another OUT')
