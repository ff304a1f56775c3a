"""
Ship the heads of a model: ``tools/ship_heads.py NAME HEADS SOURCE [TEXT]``, in a checkout.

HEADS is the file that training wrote, SOURCE the backbone that ``mtshare models add`` takes, TEXT
what the list of models says of it; without, what it said before. Copies the file to ``models/``,
puts its entry into the manifest, adds the model from SOURCE, and writes its reference anew. What
was measured of the added model afterwards is taken over with ``--quality`` in place of HEADS.
"""

from dataclasses import replace
from pathlib import Path
import re
import shutil
import sys

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.reference import reference_path, write_references
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.heads_file import add_model, open_backbone, read_heads
from mtshare_ros.model.manifest import find_heads, find_model, load_catalogue, load_manifest
from mtshare_ros.model.quality import read_quality, store_quality
from mtshare_ros.model.registration import describe_file, entry_text

LICENCE = 'Apache-2.0'


def ship(name: str, heads: Path, text: str) -> None:
    """Put a file of heads and its entry into ``models/``, in place of those of that name."""
    manifest = load_manifest()
    target = manifest.folder / f'{name}.heads.safetensors'
    if heads.resolve() != target.resolve():
        shutil.copyfile(heads, target)
    text = text or manifest.heads[name].description
    entry = describe_file(target, read_heads(target), licence=LICENCE, text=text)
    path = manifest.folder / 'manifest.yaml'
    block = re.compile(rf'(?m)^  {name}:\n(?:    .*\n)+')
    before = path.read_text()
    kept = block.sub('', before) if name in manifest.heads else before
    if 'heads:\n' not in kept:
        kept = kept.replace('models:\n', 'heads:\nmodels:\n', 1)
    path.write_text(kept.replace('heads:\n', 'heads:\n' + entry_text(name, entry), 1))
    if load_manifest() != replace(manifest, heads={**manifest.heads, name: entry}):
        path.write_text(before)
        sys.exit(f'{path}: the entry cannot be put in without changing the rest')


def write_reference(name: str) -> None:
    """Write what the added model computes in place of what its heads computed before."""
    file = find_model(name)
    kept = {find_model(key).sha256 for key in load_manifest().models}
    engine = Engine(load_checkpoint(file.path), device='cpu', precision='fp32', file=file)
    write_references([engine], reference_path(), keep=kept)


def take_quality(name: str) -> None:
    """Store what was measured of the added model as that of the heads."""
    heads = find_heads(name, load_catalogue().shipped)
    for known in read_quality(find_model(name)):
        store_quality(heads, known)


def main() -> None:
    """Do what the arguments say."""
    name, heads, *rest = sys.argv[1:]
    if heads == '--quality':
        take_quality(name)
        return
    ship(name, Path(heads), ' '.join(rest[1:]))
    added = add_model(name, *open_backbone(Path(rest[0])))
    write_reference(name)
    print(f'shipped, and added as {added.path}; measure it (mtshare evaluate {name} --store), '
          f'then: tools/ship_heads.py {name} --quality')


if __name__ == '__main__':
    main()
